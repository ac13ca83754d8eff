// The picture of the tape.
#include "autograd/dot.h"

#include <doctest/doctest.h>

#include "autograd/scope.h"
#include "tests/autograd/tape_helpers.h"

namespace tsr::test {
namespace {

TEST_CASE("a graph in graphviz's language: ops, shapes, names, scopes, constants") {
  Tensor w = leaf(1, {2, 3}), b = leaf(0, {3});
  const Tensor x = ones({4, 2}, float64);
  Tensor y;
  {
    const NamedScope scope("layer \"1\"");
    y = matmul(x, w) + b;
  }
  CHECK(dot_graph(y, {{"w", w}, {"y", y}}) == R"(digraph tape {
  ordering=in; node [fontname="Helvetica", fontsize=11]; edge [color=gray40, arrowsize=0.7];
  n0 [label="w\nfloat64[2, 3]", shape=box, style=filled, fillcolor=lightblue];
  n1 [label="float64[3]", shape=box, style=filled, fillcolor=lightblue];
  subgraph cluster_0 {
    label="layer \"1\""; color=gray70; fontcolor=gray40;
    n2 [label="matmul\nfloat64[4, 3]", style=filled, fillcolor=lightyellow];
    n2_0 [label="float64[4, 2]", shape=plaintext, fontcolor=gray40];
    n3 [label="y = add\nfloat64[4, 3]", style=filled, fillcolor=lightyellow, peripheries=2];
  }
  n2_0 -> n2;
  n0 -> n2;
  n2 -> n3;
  n1 -> n3;
}
)");
}

TEST_CASE("a shared value is drawn once, and an edge is drawn for each use") {
  Tensor x = leaf(2);
  const Tensor y = x * x;
  const std::string picture = dot_graph(y + y);
  const auto count = [&](const std::string& part) {
    int found = 0;
    for (std::size_t at = picture.find(part); at != std::string::npos; at = picture.find(part, at + 1))
      ++found;
    return found;
  };
  CHECK(count("n0 -> n1;") == 2);
  CHECK(count("n1 -> n2;") == 2);
  CHECK(count("mul") == 1);
  CHECK(count("[label") == 3);
}

TEST_CASE("a picture after backward, of a leaf, and of nothing") {
  Tensor x = leaf(2);
  const Tensor y = x * x;
  y.backward();
  CHECK(dot_graph(y).find("mul") != std::string::npos);
  CHECK(dot_graph(x).find("shape=box") != std::string::npos);
  CHECK_THROWS_WITH_AS(
      dot_graph(ones({2})),
      "dot_graph: float32[2] depends on nothing that requires a gradient, so there is no graph", Error);
}

}  // namespace
}  // namespace tsr::test
