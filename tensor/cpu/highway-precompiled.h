// Highway for all instruction sets, to be precompiled; see highway.h.
#pragma once

#include "tensor/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "hwy/highway.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

// As if nothing had been read, so that a source can go through the instruction sets itself.
#undef HIGHWAY_HWY_FOREACH_TARGET_H_
#undef HWY_HIGHWAY_INCLUDED
#undef HWY_TARGET_TOGGLE
#undef HWY_TARGET
#define TESSERA_HIGHWAY_PRECOMPILED
