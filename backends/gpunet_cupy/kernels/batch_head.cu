// The last layer of a batch and its gradient in one pass over Z[L − 1]: each team of threads takes one row after the other
// (head.cu), and sums what they add to the gradients in registers.
//
// Macros: N units below with activation BELOW, OUTPUTS with activation TOP, LOSS, THREADS of a block, TEAM.

#define TEAMS (THREADS / TEAM)

// `sum` gets what all teams of the block have, one after the other; afterwards, if `more`, what was there before.
__device__ inline void add_teams(T* shared, T* sum, T mine, bool real, bool more) {
    for (int team = 0; team < TEAMS; ++team) {
        if (threadIdx.x / TEAM == team && real) *shared = (team ? *shared : T(0)) + mine;
        __syncthreads();
    }
    if (threadIdx.x < TEAM && real) *sum = (more ? *sum : T(0)) + *shared;
}

// Z (m, N): from X W[L − 1]ᵀ, without biases, to δ[L − 1]. Row p of `sums_W` (blocks, OUTPUTS · N) gets the share of block
// p in dW[L]; those of `sums_below` and `sums_out`, whose rows are `stride` apart, its share in db[L − 1] and db[L], and
// `losses` its examples' w L. `count` is the whole batch, of which m rows from `first` on are here; `more` adds to what
// earlier pieces left. Shared memory holds a number a thread, or what a Head needs.
extern "C" __global__ void __launch_bounds__(THREADS)
    head(T* Z, const T* W, const T* below, const T* biases, const T* Y, const T* weights, const int* order,
         const int* step, int batch, int first, int m, int count, T* losses, T* sums_W, T* sums_below, T* sums_out,
         int stride, int more) {
    using Top = Head<N, OUTPUTS, BELOW, TOP, TEAM>;
    constexpr int EACH = Top::EACH;
    T* shared = reinterpret_cast<T*>(memory);
    Top head;
    T dW[EACH][OUTPUTS] = {}, db[EACH] = {}, db_out = T(0), J = T(0);
    head.take(W, below, biases);
    const int lane = head.output(), begin = *step * batch + first, apart = gridDim.x * TEAMS;
    const auto source_of = [&](int row) { return order ? order[begin + row] : begin + row; };
    int row = blockIdx.x * TEAMS + threadIdx.x / TEAM;
    int source = row < m ? source_of(row) : 0;
    T next[EACH], y_next, weight_next;
    const auto ask = [&](int row) {
#pragma unroll
        for (int i = 0; i < EACH; ++i) next[i] = head.real(i) ? Z[(long long)row * N + head.unit(i)] : T(0);
        y_next = lane < OUTPUTS ? Y[(long long)source * OUTPUTS + lane] : T(0);
        weight_next = weights ? weights[source] : T(1);
        if (row + apart < m) source = source_of(row + apart);
    };
    if (row < m) ask(row);
    for (; row < m; row += apart) {
        T z[EACH], a[EACH], L = T(0), y = y_next, weight = weight_next;
        T* here = Z + (long long)row * N;
#pragma unroll
        for (int i = 0; i < EACH; ++i) z[i] = next[i];
        if (row + apart < m) ask(row + apart);  // on its way while this one is worked on
        const T delta = head.example(z, a, y, weight / T(count), shared, L);
        db_out += delta;
        J += weight * L;
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k) {
            T up = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) dW[i][k] += up * a[i];
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            db[i] += z[i];
            if (head.real(i)) here[head.unit(i)] = z[i];
        }
    }
    const int member = head.member();
    T* mine = shared + member;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        const int unit = head.unit(i);
#pragma unroll
        for (int k = 0; k < OUTPUTS; ++k)
            add_teams(mine, sums_W + (blockIdx.x * OUTPUTS + k) * N + unit, dW[i][k], unit < N, more);
        add_teams(mine, sums_below + blockIdx.x * stride + unit, db[i], unit < N, more);
    }
    add_teams(mine, sums_out + blockIdx.x * stride + member, db_out, member < OUTPUTS, more);
    add_teams(mine, losses + blockIdx.x, J, member == 0, more);
}
