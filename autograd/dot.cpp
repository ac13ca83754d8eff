#include "autograd/dot.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include "autograd/node.h"

namespace tsr {
namespace {

std::string quoted(const std::string& label) {
  std::string result = "\"";
  for (const char c : label) {
    if (c == '\n') {
      result += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

/// The scopes as a tree, each with the lines of its nodes.
struct Frame {
  std::vector<std::string> lines;
  std::map<std::string, Frame> inner;

  void write(std::ostream& out, const std::string& indent, int& number) const {
    for (const std::string& line : lines) out << indent << line << '\n';
    for (const auto& [name, frame] : inner) {
      out << indent << "subgraph cluster_" << number++ << " {\n"
          << indent << "  label=" << quoted(name) << "; color=gray70; fontcolor=gray40;\n";
      frame.write(out, indent + "  ", number);
      out << indent << "}\n";
    }
  }
};

class Picture {
 public:
  Picture(const Tensor& output, const std::vector<std::pair<std::string, Tensor>>& names) {
    for (const auto& [name, tensor] : names)
      if (const auto node = find_node(tensor)) names_[node.get()] = name;
    const auto root = find_node(output);
    shapes_[root.get()] = describe(output);
    std::vector<Node*> nodes = nodes_behind({output});
    std::ranges::reverse(nodes);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      numbers_[nodes[i]] = i;
      for (const Edge& edge : nodes[i]->inputs)
        if (edge.node != nullptr) shapes_[edge.node.get()] = text(edge.dtype, edge.shape);
    }
    for (const Node* node : nodes) add(*node, node == root.get());
  }

  std::string text_of() const {
    std::ostringstream out;
    int number = 0;
    out << "digraph tape {\n"
        << "  ordering=in; node [fontname=\"Helvetica\", fontsize=11]; edge [color=gray40, arrowsize=0.7];\n";
    frames_.write(out, "  ", number);
    for (const std::string& edge : edges_) out << "  " << edge << '\n';
    out << "}\n";
    return out.str();
  }

 private:
  std::string id(const Node* node) const { return text('n', numbers_.at(node)); }

  Frame& frame_of(const Node& node) {
    Frame* frame = &frames_;
    if (node.scope == nullptr) return *frame;
    std::istringstream path(*node.scope);
    for (std::string name; std::getline(path, name, '/');) frame = &frame->inner[name];
    return *frame;
  }

  void add(const Node& node, bool is_output) {
    Frame& frame = frame_of(node);
    const auto name = names_.find(&node);
    const std::string given = name == names_.end() ? "" : name->second;
    const std::string title = node.is_leaf_node() ? given
                              : given.empty()     ? node.name
                                                  : given + " = " + node.name;
    const std::string label = quoted((title.empty() ? "" : title + '\n') + shapes_.at(&node));
    const char* style = node.is_leaf_node() ? "shape=box, style=filled, fillcolor=lightblue"
                        : is_output         ? "style=filled, fillcolor=lightyellow, peripheries=2"
                                            : "style=filled, fillcolor=lightyellow";
    frame.lines.push_back(text(id(&node), " [label=", label, ", ", style, "];"));
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Edge& edge = node.inputs[i];
      if (edge.node != nullptr) {
        edges_.push_back(text(id(edge.node.get()), " -> ", id(&node), ';'));
        continue;
      }
      const std::string constant = text(id(&node), "_", i);
      frame.lines.push_back(text(constant, " [label=", quoted(text(edge.dtype, edge.shape)),
                                 ", shape=plaintext, fontcolor=gray40];"));
      edges_.push_back(text(constant, " -> ", id(&node), ';'));
    }
  }

  std::unordered_map<const Node*, std::string> names_, shapes_;
  std::unordered_map<const Node*, std::size_t> numbers_;
  Frame frames_;
  std::vector<std::string> edges_;
};

}  // namespace

std::string dot_graph(const Tensor& output, const std::vector<std::pair<std::string, Tensor>>& names) {
  TSR_CHECK(output.requires_grad(), "dot_graph: ", describe(output),
            " depends on nothing that requires a gradient, so there is no graph");
  return Picture(output, names).text_of();
}

}  // namespace tsr
