#include "ssl/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tensor/error.h"
#include "tensor/suggest.h"

namespace tsr {
namespace {

template <class T>
T parse(const std::string& key, const std::string& value, const char* kind) {
  T result{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  TSR_CHECK_INPUT(error == std::errc() && end == value.data() + value.size(), "setting ", key, "=", value,
                  ": not ", kind);
  return result;
}

/// The shortest text that reads back as the same number.
std::string shortest(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

void Settings::assign(std::string_view assignment) {
  const auto equals = assignment.find('=');
  TSR_CHECK_INPUT(equals != std::string_view::npos && equals > 0, "--set ", assignment,
                  ": expected key=value");
  set(std::string(assignment.substr(0, equals)), std::string(assignment.substr(equals + 1)));
}

const std::string* Settings::find(const std::string& key) {
  for (const auto* layer : {&given_, &defaults_})
    if (const auto found = layer->find(key); found != layer->end()) return &found->second;
  return nullptr;
}

double Settings::real(const std::string& key, double fallback, double low, double high) {
  const std::string* text = find(key);
  const double value = text ? parse<double>(key, *text, "a number") : fallback;
  TSR_CHECK_INPUT(std::isfinite(value) && value >= low && value <= high, "setting ", key, "=",
                  text ? *text : shortest(value), ": outside ", low, " to ", high);
  effective_[key] = shortest(value);
  return value;
}

std::int64_t Settings::integer(const std::string& key, std::int64_t fallback, std::int64_t low,
                               std::int64_t high) {
  const std::string* text = find(key);
  const auto value = text ? parse<std::int64_t>(key, *text, "an integer") : fallback;
  TSR_CHECK_INPUT(value >= low && value <= high, "setting ", key, "=", value, ": outside ", low, " to ",
                  high);
  effective_[key] = std::to_string(value);
  return value;
}

bool Settings::flag(const std::string& key, bool fallback) {
  const std::string* text = find(key);
  TSR_CHECK_INPUT(text == nullptr || *text == "true" || *text == "false", "setting ", key, "=",
                  text ? *text : "", ": write true or false");
  const bool value = text ? *text == "true" : fallback;
  effective_[key] = value ? "true" : "false";
  return value;
}

std::string Settings::choice(const std::string& key, const std::string& fallback,
                             const std::vector<std::string>& allowed) {
  const std::string* given = find(key);
  std::string value = given ? *given : fallback;
  std::string list;
  for (const std::string& name : allowed) list += ' ' + name;
  TSR_CHECK_INPUT(allowed.empty() || std::ranges::find(allowed, value) != allowed.end(), "setting ", key, "=",
                  value, ": choose one of", list);
  effective_[key] = value;
  return value;
}

void Settings::check_all_read() const {
  std::vector<std::string> known;
  for (const auto& [key, value] : effective_) known.push_back(key);
  for (const auto& [key, value] : given_)
    TSR_CHECK_INPUT(effective_.contains(key), "setting ", key, ": unknown; ", did_you_mean(key, known));
}

}  // namespace tsr
