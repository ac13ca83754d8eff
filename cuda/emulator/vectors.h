#pragma once
// Vector types, aligned as on a device.

namespace tsr::emu {

// clang-format off
#define TSR_EMU_VECTOR(type, name, most)                                            \
  struct alignas(2 * sizeof(type)) name##2 { type x, y; };                          \
  struct alignas(most) name##4 { type x, y, z, w; };                                \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; }                  \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
TSR_EMU_VECTOR(float, float, 16)
TSR_EMU_VECTOR(double, double, 16)
TSR_EMU_VECTOR(int, int, 16)
TSR_EMU_VECTOR(unsigned, uint, 16)
TSR_EMU_VECTOR(unsigned char, uchar, 4)
TSR_EMU_VECTOR(unsigned short, ushort, 8)
#undef TSR_EMU_VECTOR
// clang-format on

}  // namespace tsr::emu
