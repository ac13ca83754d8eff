// How a module prints: the tree of what it is made of.
#include <cstdlib>
#include <cxxabi.h>
#include <memory>
#include <ostream>
#include <typeinfo>

#include "nn/module.h"

namespace tsr {
namespace {

/// A module in the tree; its count includes its children's.
struct PrintedBranch {
  std::string name, label;
  std::int64_t parameters = 0;
  std::vector<PrintedBranch> children;
};

class Plant final : public Visitor {
 public:
  explicit Plant(PrintedBranch root) { open_.push_back(std::move(root)); }
  PrintedBranch root() { return std::move(open_.front()); }

 protected:
  void on_param(const std::string&, Parameter& parameter, ParamKind) override {
    open_.back().parameters += parameter.tensor().numel();
  }
  void on_buffer(const std::string&, Tensor&) override {}
  void on_module(const std::string& name, Module& module) override {
    const std::size_t outer = paths_.empty() ? 0 : paths_.back().size() + 1;
    open_.push_back({name.substr(outer), module.label(), 0, {}});
    paths_.push_back(name);
  }
  void on_module_end() override {
    PrintedBranch done = std::move(open_.back());
    open_.pop_back();
    paths_.pop_back();
    open_.back().parameters += done.parameters;
    open_.back().children.push_back(std::move(done));
  }

 private:
  std::vector<PrintedBranch> open_;  ///< from the root to the module being visited
  std::vector<std::string> paths_;
};

/// 11689512 as "11,689,512".
std::string with_commas(std::int64_t count) {
  const std::string digits = std::to_string(count);
  std::string result;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) result += ',';
    result += digits[i];
  }
  return result;
}

void print_children(std::ostream& out, const PrintedBranch& branch, const std::string& margin) {
  for (const PrintedBranch& child : branch.children) {
    const bool last = &child == &branch.children.back();
    out << '\n' << margin << (last ? "└── " : "├── ") << child.name << ": " << child.label;
    if (child.parameters > 0) out << ", " << with_commas(child.parameters);
    print_children(out, child, margin + (last ? "    " : "│   "));
  }
}

}  // namespace

std::string Module::label() const {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> demangled(
      abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? demangled.get() : typeid(*this).name();
  const std::size_t scope = name.rfind("::");
  return scope == std::string::npos ? name : name.substr(scope + 2);
}

std::ostream& operator<<(std::ostream& out, Module& module) {
  Plant plant({"", module.label(), 0, {}});
  module.visit(plant);
  const PrintedBranch root = plant.root();
  out << root.label << ", " << with_commas(root.parameters) << " parameters";
  print_children(out, root, "");
  return out;
}

}  // namespace tsr
