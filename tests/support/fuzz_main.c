/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer where there is none: feeds every file named on the
 * command line, and every file in a directory named there, to the target once.
 * So a corpus, and an input that once crashed, run as an ordinary test.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *what, const char *path)
{
    fprintf(stderr, "%s: ", what);
    perror(path);
    return -1;
}

/* An exact allocation: a sanitizer sees a read of one byte too many. */
static int replay_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rbe");
    uint8_t *data = NULL;
    size_t size = 0;

    if (!file || fstat(fileno(file), &status) < 0) {
        if (file)
            fclose(file);
        return fail("cannot read", path);
    }
    if (status.st_size > 0) {
        size = (size_t)status.st_size;
        data = malloc(size);
    }
    if (size > 0 && (!data || fread(data, 1, size, file) != size)) {
        free(data);
        fclose(file);
        return fail("cannot read", path);
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay_directory(const char *path)
{
    char name[PATH_MAX];
    DIR *dir = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (!dir)
        return fail("cannot open", path);
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        int r;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        r = replay_file(name);
        count = r < 0 ? -1 : count + r;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    LLVMFuzzerTestOneInput(NULL, 0);
    for (int i = 1; i < argc; i++) {
        struct stat status;
        int r;

        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
            r = replay_directory(argv[i]);
        else
            r = replay_file(argv[i]);
        if (r < 0)
            return 1;
        count += r;
    }
    printf("%d input(s) replayed\n", count);
    return 0;
}
