#pragma once
// Everything that trains: optimisers, parameter groups, schedules, clipping, moving averages of weights.

#include "nn/adam.h"
#include "nn/clip.h"
#include "nn/ema.h"
#include "nn/lars.h"
#include "nn/optimizer.h"
#include "nn/param_groups.h"
#include "nn/schedule.h"
#include "nn/sgd.h"
