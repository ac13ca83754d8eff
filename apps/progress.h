#pragma once
// What a person sees of a run: a bar redrawn in place on a terminal, plain lines elsewhere.

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "ssl/collapse.h"
#include "ssl/method.h"

namespace tsr {

/// The state of a run after some step.
struct ProgressReport {
  std::int64_t step = 0, total_steps = 0;  ///< steps done
  std::int64_t epoch = 0, epochs = 0;      ///< epoch counted from 1
  double loss = 0, collapsed_loss = 0;
  double learning_rate = 0;
  double images_per_second = 0;
  double wait_share = 0;  ///< of the time: waiting for data
  double seconds_left = 0;
  std::optional<CollapseMeter> collapse;
  std::vector<Meter> meters = {};  ///< the method's own
};

/// One line of at most `width` characters (any length for 0): a bar when there is a width, then as many
/// fields as fit, the most telling first.
std::string progress_line(const ProgressReport& report, int width);

/// "4:07", "1:02:09".
std::string clock_text(double seconds);

/// Shows reports as they come: on a terminal ten times a second in place, elsewhere a line every five
/// seconds; the first and the last always.
inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Progress {
 public:
  /// Standard error; silent when `quiet`.
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Whether a report would be shown now.
  bool due(bool last) const;
  void show(const ProgressReport& report);

 private:
  using Clock = std::chrono::steady_clock;

  bool quiet_, terminal_;
  bool line_open_ = false;
  std::optional<Clock::time_point> shown_;
};

}  // namespace tsr
