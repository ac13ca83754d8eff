#include "tensor/error.h"

#include <sstream>

namespace tsr {

std::string concatenated(std::initializer_list<Printable> parts) {
  std::ostringstream out;
  for (const Printable& part : parts) out << part;
  return out.str();
}

std::ostream& operator<<(std::ostream& out, Hex number) {
  std::ostringstream digits;
  digits << "0x" << std::hex << number.value;
  return out << digits.str();
}

}  // namespace tsr
