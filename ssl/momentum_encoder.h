#pragma once
// The momentum encoder: a second network whose weights are the moving average of the first's.

#include <memory>

#include "nn/ema.h"
#include "nn/encoder.h"
#include "ssl/method.h"

namespace tsr {

/// An encoder with its projector: each of the two networks of a method with a teacher.
template <class Projector>
struct Branch : Module {
  std::unique_ptr<Encoder> encoder;
  Projector projector;

  Branch(std::unique_ptr<Encoder> encoder, Projector projector)
      : encoder(std::move(encoder)), projector(std::move(projector)) {}
  /// Images [N, H, W, C] → [N, out].
  Tensor operator()(const Tensor& images) { return projector((*encoder)(images)); }
  void visit(Visitor& v) override {
    v.child("encoder", *encoder);
    v.child("projector", projector);
  }
};

/// Makes a network a follower: its parameters get no gradient any more, and it drops neither activations nor
/// paths, in training either. Its batch norms go on using each batch's statistics.
void follow_only(Module& network);

/// The follower of `student`, with its values to start from. It belongs into the method's visit(), so that
/// checkpoints have it.
template <class Projector>
Branch<Projector> momentum_copy(Branch<Projector>& student) {
  Branch<Projector> teacher(clone_encoder(*student.encoder), clone(student.projector));
  follow_only(teacher);
  return teacher;
}

/// The average's momentum over a run: half a cosine from `start` to `end` (BYOL, section 3.2).
struct EmaMomentum {
  double start = 0, end = 1;
  double at(const Clock& clock) const { return clock.cosine(start, end); }
};
/// Settings read: ema_momentum (default: `usual`) and ema_momentum_end (1; equal to ema_momentum it stays).
EmaMomentum read_ema_momentum(Settings& settings, double usual);

}  // namespace tsr
