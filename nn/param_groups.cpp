#include "nn/param_groups.h"

#include <algorithm>

namespace tsr {

std::vector<ParamGroup> param_groups(const std::vector<NamedTensor>& parameters,
                                     std::vector<GroupRule> rules) {
  for (const NamedTensor& parameter : parameters) {
    const auto rule = std::ranges::find_if(
        rules, [&](const GroupRule& rule) { return !rule.where || rule.where(parameter); });
    TSR_CHECK(rule != rules.end(), "param_groups: no rule takes '", parameter.name,
              "'; end with a rule without a predicate");
    rule->group.parameters.push_back(parameter);
  }
  std::vector<ParamGroup> groups;
  groups.reserve(rules.size());
  for (GroupRule& rule : rules) groups.push_back(std::move(rule.group));
  return groups;
}

bool is_weight(const NamedTensor& parameter) {
  return parameter.kind == ParamKind::linear_weight || parameter.kind == ParamKind::conv_weight ||
         parameter.kind == ParamKind::embedding_weight;
}

bool is_vector(const NamedTensor& parameter) { return parameter.tensor.rank() <= 1; }

std::vector<ParamGroup> decay_groups(const std::vector<NamedTensor>& parameters,
                                     const Schedule& weight_decay) {
  return param_groups(parameters, {{.where = is_weight, .group = {.weight_decay = weight_decay}},
                                   {.group = {.adapt = false}}});
}

}  // namespace tsr
