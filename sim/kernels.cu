// The medium and the camera on CUDA: the same hash, the same integers and, compiled with -fmad=false, the same readings as
// hashing.py, medium.py and noise.py. `word` is the one C source of the hash; its test vector: seed 42, column 12345,
// group 678 -> 0x7f2c1476104a7500.

#include <cuda_fp16.h>

typedef unsigned long long u64;

__device__ __constant__ const u64 GAMMA = 0x9E3779B97F4A7C15ULL;

__device__ __forceinline__ u64 word(u64 first_key, u64 second_key, u64 column, u64 group)
{
    u64 z = first_key + ((column << 32) | group) * GAMMA;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z ^= second_key;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

// Byte to Gaussian integer. Rounds to the same integer with or without fused multiply-add, for all 256 bytes (tested).
__device__ __forceinline__ float entry(int byte)
{
    float t = 2.0f * (float)byte + 1.0f, square = t * t;
    return rintf(t * (1043.0f / 4096.0f + square * (-258.0f / 67108864.0f + square * (228.0f / 2199023255552.0f))));
}

extern "C" __global__ void hash_words(u64 first_key, u64 second_key, const u64* columns, const u64* groups,
                                      long long n_columns, long long n_groups, u64* out)
{
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k < n_columns * n_groups)
        out[k] = word(first_key, second_key, columns[k / n_groups], groups[k % n_groups]);
}

// tile[c][8 g + k]: reals of column columns[c], outputs 4 (first_group + g)..., as half (exact: |entry| <= 113).
extern "C" __global__ void dense_tile(u64 first_key, u64 second_key, const int* columns, u64 first_group, int n_groups, __half* tile)
{
    int g = blockIdx.x * blockDim.x + threadIdx.x, c = blockIdx.y;
    if (g >= n_groups) return;
    u64 w = word(first_key, second_key, (u64)columns[c], first_group + g);
    __half2 parts[4];
    for (int k = 0; k < 4; ++k) {
        float real = entry((signed char)(w >> (16 * k))), imaginary = entry((signed char)(w >> (16 * k + 8)));
        parts[k] = __floats2half2_rn(real, imaginary);
    }
    *reinterpret_cast<uint4*>(tile + ((long long)c * n_groups + g) * 8) = *reinterpret_cast<uint4*>(parts);
}

// totals[b][8 g + k] for up to 8 frames: each thread walks the columns of four outputs; masks[c] holds the frames' bits.
extern "C" __global__ void dense_few(u64 first_key, u64 second_key, const int* columns, const unsigned char* masks,
                                     const int* levels, int n_columns, u64 first_group, int n_groups, int n_frames, double* totals)
{
    __shared__ signed char table[256];
    for (int k = threadIdx.x; k < 256; k += blockDim.x) table[k] = (signed char)entry((signed char)k);
    __syncthreads();
    int g = blockIdx.x * blockDim.x + threadIdx.x;
    if (g >= n_groups) return;
    int begin = (long long)n_columns * blockIdx.y / gridDim.y, end = (long long)n_columns * (blockIdx.y + 1) / gridDim.y;
    long long sums[8][8] = {};
    for (int c = begin; c < end; ++c) {
        u64 w = word(first_key, second_key, (u64)columns[c], first_group + g);
        int level = levels[c], mask = masks[c], parts[8];
#pragma unroll
        for (int k = 0; k < 8; ++k) parts[k] = level * table[(w >> (8 * k)) & 255];
#pragma unroll
        for (int b = 0; b < 8; ++b)
            if (b < n_frames && (mask >> b & 1))
#pragma unroll
                for (int k = 0; k < 8; ++k) sums[b][k] += parts[k];
    }
    // Integers in doubles: the order in which blocks add them does not matter.
#pragma unroll
    for (int b = 0; b < 8; ++b)
        if (b < n_frames)
#pragma unroll
            for (int k = 0; k < 8; ++k) atomicAdd(totals + ((long long)b * n_groups + g) * 8 + k, (double)sums[b][k]);
}

// photons[b][i] = |unit total + anchored anchor + leak|^2, as kernels.mix_in_light.
extern "C" __global__ void mix_in_light(const double* totals, long long stride, float unit, const float* anchored,
                                        const float2* anchor, const float2* leak, int n_outputs, int n_frames, float* photons)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y;
    if (i >= n_outputs) return;
    float on = anchored[b];
    float real = ((float)totals[b * stride + 2 * i] * unit + on * anchor[i].x) + leak[i].x;
    float imaginary = ((float)totals[b * stride + 2 * i + 1] * unit + on * anchor[i].y) + leak[i].y;
    photons[(long long)b * n_outputs + i] = real * real + imaginary * imaginary;
}

// readings = camera(photons), the fast law of camera_kernel.fast_readings. Pixel i has entry step i of efficiency, dark and
// black: step 0 where all are alike. The dark electrons are dark times `exposure`, which is 1 for electrons already.
template <typename Code>
__device__ void read_camera(const float* photons, u64 first_key, u64 second_key, u64 first_frame, u64 first_output,
                            const float* efficiency, const float* dark, const float* black, int step, float exposure,
                            float read_variance, float gain, float top, int n_outputs, Code* readings)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x, b = blockIdx.y;
    if (i >= n_outputs) return;
    u64 w = word(first_key, second_key, first_frame + b, first_output + i);
    int sum = (int)(w & 0xFFFF) + (int)(w >> 16 & 0xFFFF) + (int)(w >> 32 & 0xFFFF) + (int)(w >> 48);
    float t = ((float)sum - 131070.0f) * (float)(1.7320508075688772 / 65536), square = t * t;
    float z = (((A7 * square + A5) * square + A3) * square + A1) * t;
    float mean = photons[(long long)b * n_outputs + i] * efficiency[step * i] + dark[step * i] * exposure;
    float variance = mean + read_variance;
    float skew = mean / (6.0f * variance), spread = sqrtf(variance - 2.0f * (skew * skew));
    float electrons = mean + z * spread + skew * (z * z - 1.0f);
    float code = rintf(electrons * gain + black[step * i]);
    readings[(long long)b * n_outputs + i] = (Code)(int)fminf(fmaxf(code, 0.0f), top);
}

#define CAMERA(NAME, CODE)                                                                                                   \
    extern "C" __global__ void NAME(const float* photons, u64 first_key, u64 second_key, u64 first_frame, u64 first_output,  \
                                    const float* efficiency, const float* dark, const float* black, int step,                \
                                    float exposure, float read_variance, float gain, float top, int n_outputs,               \
                                    CODE* readings)                                                                          \
    {                                                                                                                        \
        read_camera<CODE>(photons, first_key, second_key, first_frame, first_output, efficiency, dark, black, step,          \
                          exposure, read_variance, gain, top, n_outputs, readings);                                          \
    }
CAMERA(read_camera_8, unsigned char)
CAMERA(read_camera_16, unsigned short)

// sent[b][j] = on[j] or off[j] by the packed bit; the anchor's column follows the data; zero beyond. For the structured medium.
extern "C" __global__ void send_columns(const unsigned char* packed, int n_bytes, const float* anchored, const float2* on,
                                const float2* off, int n_inputs, int has_anchor, long long size, float2* sent)
{
    long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    int b = blockIdx.y;
    if (j >= size) return;
    float2 value = make_float2(0.0f, 0.0f);
    if (j < n_inputs)
        value = packed[(long long)b * n_bytes + (j >> 3)] >> (7 - (j & 7)) & 1 ? on[j] : off[j];
    else if (j == n_inputs && has_anchor)
        value = anchored[b] != 0.0f ? on[j] : off[j];
    sent[b * size + j] = value;
}
