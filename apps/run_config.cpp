#include "apps/run_config.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>

#include "tensor/suggest.h"

namespace tsr {
namespace {

using nlohmann::json;

std::string shown(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

std::string as_text(const json& value, const std::string& where) {
  TSR_CHECK_INPUT(value.is_string(), where, ": ", value.dump(), " is not a text");
  return value.get<std::string>();
}

std::int64_t as_count(const json& value, const std::string& where, std::int64_t low) {
  TSR_CHECK_INPUT(value.is_number_integer() && value <= INT64_MAX, where, ": ", value.dump(),
                  " is not an integer");
  const auto count = value.get<std::int64_t>();
  TSR_CHECK_INPUT(count >= low, where, ": ", count, " is too small; at least ", low);
  return count;
}

void apply_settings(RunConfig& config, const json& settings, const std::string& where) {
  TSR_CHECK_INPUT(settings.is_object(), where, ": expected an object of keys and values");
  for (const auto& [key, value] : settings.items()) {
    TSR_CHECK_INPUT(value.is_primitive() && !value.is_null(), where, ": ", key,
                    ": expected a number, a text, true or false");
    config.settings.set(key, shown(value));
  }
}

/// batch_size is --batch-size on the command line.
std::string option_of(std::string field) {
  std::ranges::replace(field, '_', '-');
  return "--" + field;
}

using Assign = std::function<void(RunConfig&, const json&, const std::string& where)>;

const std::map<std::string, Assign>& fields() {
  static const std::map<std::string, Assign> table{
      {"method", [](RunConfig& c, const json& v, const std::string& w) { c.method = as_text(v, w); }},
      {"data", [](RunConfig& c, const json& v, const std::string& w) { c.data = as_text(v, w); }},
      {"arch", [](RunConfig& c, const json& v, const std::string& w) { c.arch = as_text(v, w); }},
      {"epochs",
       [](RunConfig& c, const json& v, const std::string& w) {
         c.epochs = as_count(v, w, 1);
         c.steps = 0;
       }},
      {"steps", [](RunConfig& c, const json& v, const std::string& w) { c.steps = as_count(v, w, 1); }},
      {"batch_size",
       [](RunConfig& c, const json& v, const std::string& w) { c.batch_size = as_count(v, w, 2); }},
      {"seed", [](RunConfig& c, const json& v,
                  const std::string& w) { c.seed = static_cast<std::uint64_t>(as_count(v, w, 0)); }},
      {"device", [](RunConfig& c, const json& v, const std::string& w) { c.device = as_text(v, w); }},
      {"precision", [](RunConfig& c, const json& v, const std::string& w) { c.precision = as_text(v, w); }},
      {"from", [](RunConfig& c, const json& v, const std::string& w) { c.from = as_text(v, w); }},
      {"settings", [](RunConfig& c, const json& v, const std::string& w) { apply_settings(c, v, w); }},
      // What a run noted about itself; it decides nothing.
      {"derived", [](RunConfig&, const json&, const std::string&) {}}};
  return table;
}

}  // namespace

void apply_layer(RunConfig& config, const json& layer, const std::string& source) {
  TSR_CHECK_INPUT(!(layer.contains("epochs") && layer.contains("steps")), source.empty() ? "--steps" : source,
                  ": epochs and steps exclude each other; give one");
  for (const auto& [name, value] : layer.items()) {
    const auto field = fields().find(name);
    if (field == fields().end()) {
      std::vector<std::string> known;
      for (const auto& [key, assign] : fields()) known.push_back(key);
      throw InputError(text(source, ": ", name, ": unknown field; ", did_you_mean(name, known)));
    }
    field->second(config, value, source.empty() ? option_of(name) : text(source, ": ", name));
  }
}

json read_layer(const std::filesystem::path& file) {
  std::ifstream in(file);
  TSR_CHECK_INPUT(in && !std::filesystem::is_directory(file), file.string(),
                  ": no such file, or not readable");
  json layer = json::parse(in, nullptr, false);
  TSR_CHECK_INPUT(layer.is_object(), file.string(), ": not a JSON object");
  return layer;
}

Precision precision_from_name(const std::string& name) {
  if (name == "fp32") return {float32, float32};
  if (name == "fp64") return {float64, float64};
  if (name == "bf16") return {float32, bfloat16};
  if (name == "fp16") return {float32, float16};
  throw InputError(text("--precision: '", name, "' is unknown; choose fp32, fp64, bf16 or fp16"));
}

json to_json(const RunConfig& c) {
  json settings = json::object();
  for (const auto& [key, value] : c.settings.effective()) {
    const json parsed = json::parse(value, nullptr, false);
    settings[key] = parsed.is_number() || parsed.is_boolean() ? parsed : json(value);
  }
  json result{{"method", c.method},         {"data", c.data}, {"arch", c.arch},
              {"batch_size", c.batch_size}, {"seed", c.seed}, {"device", c.device},
              {"precision", c.precision},   {"from", c.from}, {"settings", settings}};
  if (c.steps > 0) {
    result["steps"] = c.steps;
  } else {
    result["epochs"] = c.epochs;
  }
  return result;
}

std::string first_difference(const json& recorded, const json& given) {
  const json a = recorded.flatten(), b = given.flatten();
  const auto value = [](const json& flat, const std::string& key) {
    return flat.contains(key) ? "'" + shown(flat.at(key)) + "'" : std::string("nothing");
  };
  json keys = a;
  keys.update(b);
  for (const auto& [key, unused] : keys.items()) {
    if (a.contains(key) && b.contains(key) && a.at(key) == b.at(key)) continue;
    std::string name = key.substr(1);
    if (const auto slash = name.find('/'); slash != std::string::npos)
      name = name.substr(0, slash) == "settings" ? "setting " + name.substr(slash + 1)
                                                 : name.replace(slash, 1, " ");
    return text(name, " is ", value(a, key), " there but ", value(b, key), " here");
  }
  return "";
}

}  // namespace tsr
