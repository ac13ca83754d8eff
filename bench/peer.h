#pragma once
// Peer: another library in a child process, asked for one timed repetition at a time (bench/peers.py).

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/types.h>

namespace tsr::bench {

class Peer {
 public:
  /// Starts `python script` and greets it; it has cases for the devices "cpu" and "cuda". Throws InputError
  /// when it can't be started or doesn't answer.
  Peer(const std::string& python, const std::string& script, int threads, const std::string& device);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Its answer to the greeting: peer, version, threads, flags, cases.
  const nlohmann::json& about() const { return about_; }
  bool has(const std::string& name) const;
  /// Seconds of one repetition of a case. Throws Error with the peer's own message when it can't.
  double seconds(const std::string& name);

 private:
  nlohmann::json ask(const nlohmann::json& request);

  std::string python_;
  pid_t child_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  nlohmann::json about_;
};

}  // namespace tsr::bench
