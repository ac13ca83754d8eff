#pragma once
// Kernels with one mistake each, <true>, beside what they should have been, <false>. x has 64 elements of
// device memory. findings_test.cpp says which line each mistake is found in.

#include "cuda/ptx.h"

namespace tsr::emu::broken {

constexpr unsigned kAll = 0xffffffffu;

// ---- barriers ----

template <bool broken>
__global__ void barrier_in_a_branch(int* x) {
  SHARED(int, tile, [64]);
  tile[threadIdx.x] = x[threadIdx.x];
  if (broken && threadIdx.x >= 50) return;
  __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x ^ 1u];
}

template <bool broken>
__global__ void barriers_apart(int* x) {
  x[threadIdx.x] = 1;
  if (broken && threadIdx.x >= 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

template <bool broken>
__global__ void barrier_in_a_loop(int* x) {
  const unsigned turns = broken ? threadIdx.x / 32 + 1 : 2;
  for (unsigned turn = 0; turn < turns; ++turn) {
    x[threadIdx.x] += 1;
    __syncthreads();
  }
}

// ---- collectives ----

template <bool broken>
__global__ void shuffle_with_the_gone(int* x) {
  if (threadIdx.x >= 20) return;
  const unsigned mask = broken ? kAll : (1u << 20) - 1;
  x[threadIdx.x] = __shfl_sync(mask, x[threadIdx.x], 0);
}

template <bool broken>
__global__ void ballot_without_the_caller(int* x) {
  const unsigned half = threadIdx.x < 16 ? 0xffffu : 0xffff0000u;
  x[threadIdx.x] = static_cast<int>(__ballot_sync(broken ? 0xffffu : half, 1));
}

template <bool broken>
__global__ void lanes_at_two_functions(int* x) {
  const int value = x[threadIdx.x];
  if (broken && threadIdx.x % 2 == 1) {
    x[threadIdx.x] = __any_sync(kAll, value);
  } else {
    x[threadIdx.x] = __all_sync(kAll, value);
  }
}

template <bool broken>
__global__ void warp_torn_apart(int* x) {
  if (!broken || threadIdx.x < 32) x[threadIdx.x] = __shfl_down_sync(kAll, x[threadIdx.x], 1);
  if (broken && threadIdx.x == 40) __syncwarp();
  __syncthreads();
}

// ---- shared memory that nobody wrote ----

template <bool broken>
__global__ void read_before_the_barrier(int* x) {
  SHARED(int, tile, [64]);
  tile[threadIdx.x] = x[threadIdx.x];
  if constexpr (!broken) __syncthreads();
  x[threadIdx.x] = tile[63 - threadIdx.x];
}

template <bool broken>
__global__ void count_from_nothing(int* x) {
  SHARED(int, count, );
  if (!broken && threadIdx.x == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, 1);
  __syncthreads();
  x[threadIdx.x] = count;
}

template <bool broken>
__global__ void last_block_s_memory(int* x) {
  DYN_SHARED(bytes);
  int* tile = reinterpret_cast<int*>(bytes);
  if (!broken || blockIdx.x == 0) tile[threadIdx.x] = 1;
  x[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x];
}

// ---- out of bounds ----

template <bool broken>
__global__ void beyond_a_tile(int* x) {
  SHARED(int, tile, [64]);
  tile[threadIdx.x + (broken ? 1 : 0)] = x[threadIdx.x];
}

template <bool broken>
__global__ void beyond_dynamic_memory(int* x) {
  DYN_SHARED(bytes);
  int* tile = reinterpret_cast<int*>(bytes);
  for (unsigned i = threadIdx.x; i < (broken ? 65u : 64u); i += 64) tile[i] = x[threadIdx.x];
}

template <bool broken>
__global__ void between_two_tiles(int* x) {
  SHARED(int, first, [32]);
  SHARED(int, second, [32]);
  first[threadIdx.x] = 1;
  second[threadIdx.x] = 2;
  __syncwarp();
  if (broken || threadIdx.x < 31) x[threadIdx.x] = first[threadIdx.x + 1] + second[threadIdx.x];
}

template <bool broken>
__global__ void behind_an_allocation(int* x) {
  x[threadIdx.x + (broken ? 1 : 0)] = 1;
}

template <bool broken>
__global__ void before_an_allocation(int* x) {
  const int left = static_cast<int>(threadIdx.x) - 1;
  if (broken || left >= 0) x[threadIdx.x + 32] = x[left];
}

template <bool broken>
__global__ void half_a_vector(int* x) {
  const unsigned vectors = broken ? 17 : 16;
  if (threadIdx.x < vectors) reinterpret_cast<int4*>(x)[threadIdx.x] = make_int4(1, 2, 3, 4);
}

// ---- alignment ----

template <bool broken>
__global__ void odd_vector(int* x) {
  if (threadIdx.x == 0) *reinterpret_cast<int4*>(x + (broken ? 1 : 0)) = make_int4(1, 2, 3, 4);
}

template <bool broken>
__global__ void odd_vector_in_a_tile(int* x) {
  DYN_SHARED(bytes);
  const unsigned width = broken ? 33 : 32;  // a padded row is no multiple of a vector
  float* row = reinterpret_cast<float*>(bytes) + threadIdx.y * width;
  for (unsigned i = threadIdx.x; i < 32; i += 8) row[i] = 1;
  __syncwarp();
  const float2 two = reinterpret_cast<const float2*>(row)[threadIdx.x];
  x[threadIdx.y * 8 + threadIdx.x] = static_cast<int>(two.x + two.y);
}

// ---- races ----

template <bool broken>
__global__ void two_writers(int* x) {
  if (broken || threadIdx.x == 0) x[0] = static_cast<int>(threadIdx.x);
}

template <bool broken>
__global__ void overwritten_too_early(int* x) {
  SHARED(int, tile, [64]);
  for (int turn = 0; turn < 2; ++turn) {
    tile[threadIdx.x] = turn;
    __syncthreads();
    x[threadIdx.x] = tile[63 - threadIdx.x];
    if constexpr (!broken) __syncthreads();
  }
}

template <bool broken>
__global__ void warp_reads_too_early(int* x) {
  SHARED(int, tile, [32]);
  tile[threadIdx.x] = 0;
  __syncwarp();
  tile[threadIdx.x] = x[threadIdx.x];
  if constexpr (!broken) __syncwarp();
  x[threadIdx.x] = tile[31 - threadIdx.x];
}

template <bool broken>
__global__ void warp_writes_too_early(int* x) {
  SHARED(int, tile, [32]);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  x[threadIdx.x] = tile[31 - threadIdx.x];
  if constexpr (!broken) __syncwarp();
  tile[threadIdx.x] = 1;
}

template <bool broken>
__global__ void warps_without_a_barrier(int* x) {
  SHARED(int, sums, [2]);
  if (threadIdx.x < 2) sums[threadIdx.x] = 0;
  __syncthreads();
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = 1;
  if constexpr (broken) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  if (threadIdx.x == 0) x[0] = sums[0] + sums[1];
}

template <bool broken>
__global__ void blocks_write_one_place(int* x) {
  if (threadIdx.x == 0) x[broken ? 0 : blockIdx.x] = 1;
}

template <bool broken>
__global__ void block_reads_its_neighbour(int* x) {
  const unsigned i = blockIdx.x * 32 + threadIdx.x;
  x[i] = 1 + (broken ? x[(i + 32) % 64] : x[i]);
}

template <bool broken>
__global__ void counter_without_atomics(int* x) {
  if constexpr (broken) {
    x[0] += 1;
  } else {
    atomicAdd(x, 1);
  }
}

template <bool broken>
__global__ void looks_at_a_counter(int* x) {
  atomicAdd(x, 1);
  if constexpr (!broken) __syncthreads();
  if (threadIdx.x == 63) x[1] = x[0];
}

// ---- asynchronous copies ----

template <bool broken>
__global__ void copy_not_waited_for(int* x) {
  SHARED(int, tile, [64]);
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
  cp_async_commit();
  cp_async_wait<broken ? 1 : 0>();
  x[threadIdx.x] = tile[threadIdx.x];
}

template <bool broken>
__global__ void copy_of_another_thread(int* x) {
  SHARED(int, tile, [64]);
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
  cp_async_commit();
  cp_async_wait<0>();
  if constexpr (!broken) __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x / 2];
}

template <bool broken>
__global__ void copy_overwritten(int* x) {
  SHARED(int, tile, [64]);
  cp_async<4>(&tile[threadIdx.x], x + threadIdx.x);
  cp_async_commit();
  if constexpr (!broken) cp_async_wait<0>();
  tile[threadIdx.x] = 1;
}

template <bool broken>
__global__ void copy_from_beyond(int* x) {
  SHARED(int, tile, [64]);
  cp_async<8>(&tile[2 * threadIdx.x], x + 64, broken ? 4 : 0);  // only valid bytes are read
}

template <bool broken>
__global__ void copy_over_what_others_read(int* x) {
  SHARED(int, tile, [2][64]);
  for (int i = 0; i < 2; ++i) {
    cp_async<4>(&tile[broken ? 0 : i][threadIdx.x], x + threadIdx.x);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    x[threadIdx.x] = tile[broken ? 0 : i][63 - threadIdx.x];
  }
}

// ---- matrix loads ----

template <bool broken>
__global__ void rows_of_other_lanes(int* x) {
  SHARED(int4, tile, [32]);
  FragmentA<Float16> a;
  tile[threadIdx.x] = make_int4(1, 2, 3, 4);
  if constexpr (!broken) __syncwarp();
  ldmatrix_x4(a, &tile[threadIdx.x ^ 1u]);
  x[threadIdx.x] = static_cast<int>(a.reg[0]);
}

template <bool broken>
__global__ void rows_beyond_a_tile(int* x) {
  SHARED(int4, tile, [32]);
  FragmentB<Float16> b;
  tile[threadIdx.x] = make_int4(1, 2, 3, 4);
  __syncwarp();
  ldmatrix_x2(b, &tile[threadIdx.x + (broken ? 17 : 16)]);
  x[threadIdx.x] = static_cast<int>(b.reg[0]);
}

}  // namespace tsr::emu::broken
