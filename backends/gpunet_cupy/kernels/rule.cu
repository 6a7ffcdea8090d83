// How one parameter follows its gradient (C19, C20, C21): RULE with its constants DECAY, BETA1, BETA2, EPSILON.

#define PLAIN 0
#define MOMENTUM 1
#define NESTEROV 2
#define ADAM 3
#define RMSPROP 4

#define SLOTS (RULE == PLAIN ? 0 : RULE == ADAM ? 2 : 1)

// p follows g. Its slots lie `apart` numbers from each other; `c` are the step's COEFFICIENTS numbers; weights decay
// (C21), biases do not.
__device__ inline void follow(T* p, T* slots, int apart, T g, const T* c, bool decays) {
    T now = *p;
    if (decays) now = (T(1) - c[0] * T(DECAY)) * now;
#if RULE == PLAIN
    now -= c[0] * g;
#elif RULE == MOMENTUM || RULE == NESTEROV
    T v = T(BETA1) * slots[0] + T(1.0 - BETA1) * g;
    slots[0] = v;
    now -= c[0] * (RULE == NESTEROV ? T(BETA1) * v + T(1.0 - BETA1) * g : v);
#elif RULE == ADAM
    T v = T(BETA1) * slots[0] + T(1.0 - BETA1) * g;
    T s = T(BETA2) * slots[apart] + T(1.0 - BETA2) * g * g;
    slots[0] = v;
    slots[apart] = s;
    now -= c[1] * v / (c[2] * sqrt(s) + T(EPSILON));
#else
    T s = T(BETA1) * slots[0] + T(1.0 - BETA1) * g * g;
    slots[0] = s;
    now -= c[0] * g / (sqrt(s) + T(EPSILON));
#endif
    *p = now;
}
