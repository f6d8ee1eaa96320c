/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of the table of ends for send_wait with a full queue: see matrix.h.
 */
#include "matrix.h"

int main(int argc, char **argv)
{
    return matrix_main(argc, argv, OP_SEND_WAIT);
}
