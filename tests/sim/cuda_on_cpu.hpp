// Enough of CUDA to compile sim/kernels.cu with an ordinary C++ compiler and run its kernels one thread after another.
#pragma once
#include <cmath>
#include <cstring>
#include <algorithm>
#define __device__
#define __constant__
#define __global__
#define __shared__ static
#define __forceinline__ inline
#define __syncthreads() (void)0
struct dim { int x, y; };
static dim blockIdx, threadIdx, blockDim, gridDim;
struct float2 { float x, y; };
struct uint4 { unsigned x, y, z, w; };
static float2 make_float2(float x, float y) { return {x, y}; }
static void atomicAdd(double* at, double value) { *at += value; }
typedef short __half;                   // entries are small integers: a short keeps them as well as a half does
struct __half2 { __half x, y; };
static __half2 __floats2half2_rn(float x, float y) { return {(__half)x, (__half)y}; }
#define EACH(BLOCKS_X, BLOCKS_Y, THREADS, CALL)                                        \
    gridDim = {BLOCKS_X, BLOCKS_Y}; blockDim = {THREADS, 1};                           \
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)                         \
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)                     \
            for (threadIdx.x = 0; threadIdx.x < THREADS; ++threadIdx.x) CALL
