/* The few calls of MPI that wengert needs, with plain types: handles and constants differ from one MPI to the next, and only
   its own header knows them. Each returns MPI_SUCCESS, which is 0 in all of them, or an error code. */

#include <mpi.h>
#include <stdint.h>

int wengert_mpi_start(int *rank, int *size) {
    int provided, error = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (error) return error;
    /* Errors are returned, not fatal, so that a message can say what happened. */
    error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (error) return error;
    if (provided < MPI_THREAD_SERIALIZED) return MPI_ERR_OTHER;
    error = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    return error ? error : MPI_Comm_size(MPI_COMM_WORLD, size);
}

int wengert_mpi_finish(void) { return MPI_Finalize(); }

void wengert_mpi_abort(void) { MPI_Abort(MPI_COMM_WORLD, 1); }

int wengert_mpi_sum_f32(float *numbers, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, numbers, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

int wengert_mpi_sum_f64(double *numbers, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, numbers, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

int wengert_mpi_broadcast(uint8_t *bytes, int count, int from) {
    return MPI_Bcast(bytes, count, MPI_BYTE, from, MPI_COMM_WORLD);
}

/* `count` words of each rank, in order of ranks. */
int wengert_mpi_gather_words(const uint64_t *words, int count, uint64_t *all) {
    return MPI_Allgather(words, count, MPI_UINT64_T, all, count, MPI_UINT64_T, MPI_COMM_WORLD);
}

int wengert_mpi_gather(const uint8_t *bytes, int count, uint8_t *all, const int *counts, const int *starts) {
    return MPI_Allgatherv(bytes, count, MPI_BYTE, all, counts, starts, MPI_BYTE, MPI_COMM_WORLD);
}

/* Writes the text of an error code, at most `room` bytes, and returns its length. */
int wengert_mpi_error(int code, char *text, int room) {
    char whole[MPI_MAX_ERROR_STRING];
    int length = 0;
    if (MPI_Error_string(code, whole, &length)) length = 0;
    if (length > room) length = room;
    for (int i = 0; i < length; i++) text[i] = whole[i];
    return length;
}
