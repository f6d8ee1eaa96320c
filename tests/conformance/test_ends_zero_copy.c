/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row of the table of ends for write_begin with a full buffer: see
 * matrix.h.
 */
#include "matrix.h"

int main(int argc, char **argv)
{
    return matrix_main(argc, argv, OP_ZERO_COPY);
}
