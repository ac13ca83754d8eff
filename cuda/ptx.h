#pragma once
// The instructions that CUDA C++ has no word for: the tensor cores', and asynchronous copies to shared
// memory. For nvcc each is the PTX instruction of that name (PTX ISA 7.0, sm_80 and later), for the host
// compiler a function of the emulator. Where a function takes an array, the PTX instruction is there once an
// element; the emulator's warp meets once for all, which is what costs time there.
//
//   ldmatrix_x4<trans>(FragmentA<T>&, row)         ldmatrix_x4<trans>(FragmentA<T> (&)[n], rows)
//   ldmatrix_x2<trans>(FragmentB<T>&, row)         ldmatrix_x4<trans>(FragmentB<T> (&)[n], rows), n even
//       Loads fragments from shared memory. `row` is the lane's own address, of 16 bytes that are 16-byte
//       aligned: FragmentA<T>::source and FragmentB<T>::source say which; rows(i) is the address for fragment
//       i of A, or for fragments 2i and 2i + 1 of B. `trans` transposes each 8 x 8 matrix on its way, of
//       16-bit types alone: for A stored [k][m] and B stored [k][n].
//   mma(FragmentC&, FragmentA<T>, FragmentB<T>)    mma(FragmentC (&)[m][n], FragmentA<T> (&)[m], FragmentB<T>
//   (&)[n])
//       C += A · B, accumulated in float32; all m x n products of fragments.
//   pack<T>(low, high)      two floats rounded to T in one register of a fragment, `low` first
//   round_tf32(x)           x rounded to tf32, to the nearest and ties away from zero; mma just drops the
//   bits
//   exp2_flushed(x)         2^x within 2 ulp, 0 where that is below the smallest normal number
//   cp_async<bytes>(shared, global, valid = bytes)
//       Begins a copy of 4, 8 or 16 bytes, both addresses so aligned, without passing through registers. Only
//       the first `valid` bytes are read; zeros stand for the others.
//   cp_async_commit()       makes the copies since the last commit a group
//   cp_async_wait<n>()      waits until of this thread's groups at most the last n are under way; other
//   threads
//                           see what it copied after a barrier that follows
//
// All but cp_async's are for whole warps: every lane calls the same function at the same place.

#include "cuda/fragments.h"
#include "cuda/numeric.h"

#if !defined(__CUDACC__)
#include "cuda/emulator/async_copy.h"
#include "cuda/emulator/tensor_core.h"
#else

namespace tsr::TSR_BACKEND {

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

// ---- ldmatrix ----

// "memory": loads and stores of the kernel stay on their side.
template <bool trans>
__device__ __forceinline__ void ldmatrix_registers(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c,
                                                   std::uint32_t& d, const void* row) {
  if constexpr (trans) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                 : "r"(shared_address(row))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                 : "r"(shared_address(row))
                 : "memory");
  }
}
template <bool trans = false, class T>
__device__ __forceinline__ void ldmatrix_x4(FragmentA<T>& a, const void* row) {
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  ldmatrix_registers<trans>(a.reg[0], a.reg[1], a.reg[2], a.reg[3], row);
}
template <bool trans = false, class T, int n, class Rows>
__device__ __forceinline__ void ldmatrix_x4(FragmentA<T> (&a)[n], const Rows& rows) {
  UNROLL
  for (int i = 0; i < n; ++i) ldmatrix_x4<trans>(a[i], rows(i));
}
template <bool trans = false, class T, int n, class Rows>
__device__ __forceinline__ void ldmatrix_x4(FragmentB<T> (&b)[n], const Rows& rows) {
  static_assert(n % 2 == 0, "ldmatrix_x4 fills fragments of B by twos");
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  UNROLL
  for (int i = 0; i < n; i += 2)
    ldmatrix_registers<trans>(b[i].reg[0], b[i].reg[1], b[i + 1].reg[0], b[i + 1].reg[1], rows(i / 2));
}
template <bool trans = false, class T>
__device__ __forceinline__ void ldmatrix_x2(FragmentB<T>& b, const void* row) {
  static_assert(!trans || sizeof(T) == 2, "ldmatrix transposes 16-bit elements only");
  if constexpr (trans) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(b.reg[0]), "=r"(b.reg[1])
                 : "r"(shared_address(row))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(b.reg[0]), "=r"(b.reg[1])
                 : "r"(shared_address(row))
                 : "memory");
  }
}

// ---- mma ----

#define TSR_MMA(T, shape_and_types)                                                                 \
  __device__ __forceinline__ void mma(FragmentC& c, const FragmentA<T>& a, const FragmentB<T>& b) { \
    asm volatile("mma.sync.aligned." shape_and_types                                                \
                 " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                 \
                 : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])           \
                 : "r"(a.reg[0]), "r"(a.reg[1]), "r"(a.reg[2]), "r"(a.reg[3]), "r"(b.reg[0]),       \
                   "r"(b.reg[1]));                                                                  \
  }
TSR_MMA(BFloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
TSR_MMA(Float16, "m16n8k16.row.col.f32.f16.f16.f32")
TSR_MMA(float, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef TSR_MMA

template <class T, int m, int n>
__device__ __forceinline__ void mma(FragmentC (&c)[m][n], const FragmentA<T> (&a)[m],
                                    const FragmentB<T> (&b)[n]) {
  UNROLL
  for (int i = 0; i < m; ++i) {
    UNROLL
    for (int j = 0; j < n; ++j) mma(c[i][j], a[i], b[j]);
  }
}

// ---- conversions ----

template <class T>
__device__ __forceinline__ std::uint32_t pack(float low, float high) {
  static_assert(sizeof(T) == 2);
  if constexpr (std::is_same_v<T, BFloat16>) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const std::uint32_t*>(&both);
  } else {
    const __half2 both = __floats2half2_rn(low, high);
    return *reinterpret_cast<const std::uint32_t*>(&both);
  }
}
__device__ __forceinline__ float round_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}
__device__ __forceinline__ float exp2_flushed(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// ---- asynchronous copies ----

template <int bytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global, int valid = bytes) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  const std::size_t from = __cvta_generic_to_global(global);
  if constexpr (bytes == 16) {  // past the first-level cache, which would keep what is read once
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(from),
                 "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(from),
                 "n"(bytes), "r"(valid)
                 : "memory");
  }
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int groups>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(groups) : "memory");
}

}  // namespace tsr::TSR_BACKEND

#endif
