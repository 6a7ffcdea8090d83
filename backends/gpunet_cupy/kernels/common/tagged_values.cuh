// Values that thread blocks send each other during a launch, each with a tag: the number of the step it belongs
// to. A reader polls until the tag is the one that it expects. Value and tag are read and written as one word
// of 64 bits, so they arrive together, and no barrier and no memory fence is needed.
//
// A float64 value is sent as two words.
#pragma once

#define PARTS (int(sizeof(T) / 4))  // words of a value

#ifdef __CUDACC__  // the CPU emulator of the tests has its own
__device__ inline void store_relaxed(unsigned long long* word, unsigned long long value) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}

__device__ inline unsigned long long load_relaxed(const unsigned long long* word) {
    unsigned long long value;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
    return value;
}
#endif

// The parts of a value are `stride` words apart.
__device__ inline void store_tagged(unsigned long long* words, int stride, T value, unsigned tag) {
    unsigned parts[PARTS];
    memcpy(parts, &value, sizeof value);
#pragma unroll
    for (int i = 0; i < PARTS; ++i) store_relaxed(words + i * stride, (unsigned long long)tag << 32 | parts[i]);
}

// Returns whether the value has the tag.
__device__ inline bool load_tagged(const unsigned long long* words, int stride, T& value, unsigned tag) {
    unsigned parts[PARTS];
    bool arrived = true;
#pragma unroll
    for (int i = 0; i < PARTS; ++i) {
        const unsigned long long word = load_relaxed(words + i * stride);
        arrived &= unsigned(word >> 32) == tag;
        parts[i] = unsigned(word);
    }
    memcpy(&value, parts, sizeof value);
    return arrived;
}
