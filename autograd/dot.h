#pragma once
// A picture of the tape, for graphviz: `dot -Tsvg graph.dot -o graph.svg`.

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace tsr {

/// The graph behind `output` in graphviz's language, top down as computed: ops as ellipses, leaves as boxes,
/// tensors without gradient as plain text, each with the shape of its value, and a frame for each NamedScope.
/// `names` are written at their tensors. Throws Error when output is not on the tape.
std::string dot_graph(const Tensor& output, const std::vector<std::pair<std::string, Tensor>>& names = {});

}  // namespace tsr
