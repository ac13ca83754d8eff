// Highway's operations on vectors of the instruction set at hand. Stands in for "hwy/highway.h", which takes
// longer to read, once for each instruction set, than many a kernel takes to compile: where
// highway-precompiled.h has read all of them ahead, only the macros of this one are set. Like Highway's own
// headers of operations it may be included again for every instruction set.

#ifdef TESSERA_HIGHWAY_PRECOMPILED
#define HWY_HIGHWAY_INCLUDED
#ifdef HWY_TARGET_TOGGLE  // so highway.h itself, included by others, finds its operations read
#undef HWY_HIGHWAY_PER_TARGET
#else
#define HWY_HIGHWAY_PER_TARGET
#endif
#include "hwy/ops/set_macros-inl.h"
#else
#include "hwy/highway.h"
#endif
