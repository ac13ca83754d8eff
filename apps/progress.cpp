#include "apps/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

#include "tensor/error.h"

namespace tsr {
namespace {

constexpr int kBarMin = 8, kBarMax = 30;

std::string format(const char* pattern, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, value);
  return buffer;
}

std::string collapse_text(const CollapseMeter& meter) {
  // Evenly spread embeddings show uniform_std; a tenth of it is as good as one point.
  const char* verdict = meter.std < meter.uniform_std / 10 ? " COLLAPSED" : "";
  return "std " + format("%.3f", meter.std) + " of " + format("%.3f", meter.uniform_std) + verdict;
}

/// "teacher entropy 3.21 (one-hot 0, uniform 8.32)".
std::string meter_text(const Meter& meter) {
  std::string name = meter.name;
  std::ranges::replace(name, '_', ' ');
  return name + format(" %.3g", meter.value) + (meter.marks.empty() ? "" : " (" + meter.marks + ")");
}

/// Fields in the order in which they are dropped last.
std::vector<std::string> fields(const ProgressReport& r) {
  std::vector<std::string> list{
      text("step ", r.step, "/", r.total_steps),
      "loss " + format("%.3f", r.loss) + " (collapsed " + format("%.3f", r.collapsed_loss) + ")",
      "left " + clock_text(r.seconds_left), format("%.0f", r.images_per_second) + " images/s"};
  if (r.collapse) list.push_back(collapse_text(*r.collapse));
  for (const Meter& meter : r.meters) list.push_back(meter_text(meter));
  list.push_back(text("epoch ", r.epoch, "/", r.epochs));
  list.push_back("rate " + format("%.3g", r.learning_rate));
  list.push_back("wait " + format("%.0f", 100 * r.wait_share) + "%");
  if (r.collapse) list.push_back("rank " + format("%.1f", r.collapse->effective_rank));
  return list;
}

std::string bar(double share, int cells) {
  const int filled = static_cast<int>(std::floor(share * cells));
  return '[' + std::string(filled, '#') + std::string(cells - filled, '.') + ']' +
         format("%4.0f%%", std::floor(100 * share));
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-:--";
  const auto total = std::llround(seconds);
  char buffer[64];
  if (total >= 3600) {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld", total / 60, total % 60);
  }
  return buffer;
}

std::string progress_line(const ProgressReport& report, int width) {
  constexpr int kAroundBar = 7;  // brackets and percentage
  std::string line;
  for (const std::string& field : fields(report)) {
    std::string grown = line;
    if (!grown.empty()) grown += "  ";
    grown += field;
    const int bar_room = width == 0 ? 0 : kBarMin + kAroundBar + 2;
    if (width > 0 && static_cast<int>(grown.size()) + bar_room > width) break;
    line = std::move(grown);
  }
  const int cells = std::min(kBarMax, width - static_cast<int>(line.size()) - kAroundBar - 2);
  if (width == 0 || cells < 1) return line;
  const double share = static_cast<double>(report.step) / static_cast<double>(report.total_steps);
  return bar(share, cells) + "  " + line;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (line_open_) std::cerr << '\n';
}

bool Progress::due(bool last) const {
  if (quiet_) return false;
  const auto interval = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  return last || !shown_ || Clock::now() - *shown_ >= interval;
}

void Progress::show(const ProgressReport& report) {
  shown_ = Clock::now();
  if (!terminal_) {
    std::cerr << progress_line(report, 0) << std::endl;
    return;
  }
  // One column stays free: a full line would wrap.
  std::cerr << '\r' << progress_line(report, terminal_width() - 1) << "\x1b[K" << std::flush;
  line_open_ = true;
}

}  // namespace tsr
