// The last layer and the activation below it, one example a team of threads: outputs, loss, δ[L] and δ[L − 1].
//
// A team is a warp or a whole thread block. Its thread t owns units t, t + team, … below, and keeps their columns of the
// last layer's weights in registers. Each warp sums its units' share of the outputs, the warps of a block meet once, and
// then each finds δ[L] for itself, output k in lane k.
//
// A Head is for n units below with activation g, K outputs with activation `top`, and LOSS.

template <int n, int K, int g, int top, int team>
struct Head {
    static constexpr int EACH = (n + team - 1) / team, LANES = lanes_for(K), WARPS_EACH = team / WARP;
    static constexpr int ROOM = 2 * WARPS_EACH * LANES;  // numbers of shared memory, where a team has several warps
    static_assert(team == WARP || team == THREADS, "a team is a warp or a thread block");
    T W[EACH][K], b[EACH], b_out;
    int turn;

    __device__ inline int member() const { return threadIdx.x % team; }
    __device__ inline int unit(int i) const { return member() + i * team; }
    __device__ inline int output() const { return threadIdx.x % LANES; }
    __device__ inline bool real(int i) const { return n % team == 0 || unit(i) < n; }

    __device__ inline void take(const T* weights, const T* below, const T* biases) {
        turn = 0;
        b_out = output() < K ? biases[output()] : T(0);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            b[i] = real(i) ? below[unit(i)] : T(0);
#pragma unroll
            for (int k = 0; k < K; ++k) W[i][k] = real(i) ? weights[k * n + unit(i)] : T(0);
        }
    }

    // One example, with y of the lane's output. z: from the sums W x of the thread's units, without biases, to δ below;
    // a gets the activations. Returns scale ∂L/∂z of the lane's output; L is known to the team's first warp.
    __device__ inline T example(T (&z)[EACH], T (&a)[EACH], T y, T scale, T* shared, T& L) {
        T out[LANES];
#pragma unroll
        for (int k = 0; k < LANES; ++k) out[k] = T(0);
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            a[i] = real(i) ? activate(g, z[i] + b[i]) : T(0);
#pragma unroll
            for (int k = 0; k < K; ++k) out[k] += W[i][k] * a[i];
        }
        T logit = warp_sums<LANES / 2>(out);
        if constexpr (team > WARP) {
            T* part = shared + turn % 2 * (ROOM / 2);  // read while the next example's are written to the other half
            ++turn;
            if (threadIdx.x % WARP < LANES) part[threadIdx.x / WARP * LANES + threadIdx.x % WARP] = logit;
            __syncthreads();
            logit = T(0);
#pragma unroll
            for (int w = 0; w < WARPS_EACH; ++w) logit += part[w * LANES + output()];
        }
        T delta = scale * lane_delta<K>(top, LOSS, logit + b_out, y, member() < WARP, L);
#pragma unroll
        for (int i = 0; i < EACH; ++i) z[i] = T(0);
#pragma unroll
        for (int k = 0; k < K; ++k) {
            T up = __shfl_sync(ALL_LANES, delta, k);
#pragma unroll
            for (int i = 0; i < EACH; ++i) z[i] += W[i][k] * up;
        }
#pragma unroll
        for (int i = 0; i < EACH; ++i) z[i] = backward_through(g, z[i], a[i]);
        return delta;
    }
};
