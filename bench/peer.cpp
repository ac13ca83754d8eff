#include "bench/peer.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

#include "tensor/error.h"

namespace tsr::bench {
namespace {

struct Pipe {
  int read = -1, write = -1;

  Pipe() {
    int ends[2];
    TSR_CHECK(pipe(ends) == 0, "bench: no pipe to the peer: ", std::strerror(errno));
    read = ends[0];
    write = ends[1];
  }
};

/// In the child: the pipes become standard input and output, then the script runs. Never returns.
[[noreturn]] void become_peer(const std::string& python, const std::string& script, const Pipe& requests,
                              const Pipe& answers) {
  dup2(requests.read, STDIN_FILENO);
  dup2(answers.write, STDOUT_FILENO);
  for (const int end : {requests.read, requests.write, answers.read, answers.write}) close(end);
  execlp(python.c_str(), python.c_str(), script.c_str(), static_cast<char*>(nullptr));
  _exit(127);
}

}  // namespace

Peer::Peer(const std::string& python, const std::string& script, int threads, const std::string& device)
    : python_(python) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that has died shows as a failed write, not as our end
  const Pipe requests, answers;
  child_ = fork();
  TSR_CHECK(child_ >= 0, "bench: can't start the peer: ", std::strerror(errno));
  if (child_ == 0) become_peer(python, script, requests, answers);
  close(requests.read);
  close(answers.write);
  to_ = fdopen(requests.write, "w");
  from_ = fdopen(answers.read, "r");
  try {
    about_ = ask({{"hello", 1}, {"threads", threads}, {"device", device}});
  } catch (const Error&) {
    throw InputError(text("--python ", python, ": ", script,
                          " doesn't answer; name a Python that can import torch and torchvision"));
  }
}

Peer::~Peer() {
  std::fclose(to_);  // the end of its input ends the script
  std::fclose(from_);
  waitpid(child_, nullptr, 0);
}

bool Peer::has(const std::string& name) const {
  const auto& cases = about_.at("cases");
  return std::find(cases.begin(), cases.end(), name) != cases.end();
}

double Peer::seconds(const std::string& name) {
  const nlohmann::json answer = ask({{"name", name}});
  TSR_CHECK(!answer.contains("error"), "bench: ", name, ": the peer says: ", answer.at("error"));
  return answer.at("seconds");
}

nlohmann::json Peer::ask(const nlohmann::json& request) {
  const std::string line = request.dump() + '\n';
  const bool sent = std::fputs(line.c_str(), to_) >= 0 && std::fflush(to_) == 0;
  char* answer = nullptr;
  std::size_t room = 0;
  const bool received = sent && getline(&answer, &room, from_) > 0;
  const std::string received_text = received ? answer : "";
  std::free(answer);
  TSR_CHECK(received, "bench: the peer ", python_, " ended without an answer to ", request.dump());
  nlohmann::json parsed = nlohmann::json::parse(received_text, nullptr, false);
  TSR_CHECK(parsed.is_object(), "bench: the peer ", python_, " answered '", received_text, "', not JSON");
  return parsed;
}

}  // namespace tsr::bench
