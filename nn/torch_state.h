#pragma once
// The exchange with PyTorch: a module's tensors under their names, in PyTorch's layout.

#include <string>
#include <vector>

#include "nn/module.h"
#include "tensor/source.h"

namespace tsr {

/// A module's tensors under their names, with PyTorch's layout (conv weights [out, in, kh, kw]).
TensorMap torch_state_dict(Module& module, const std::string& prefix = "");

struct TorchLoadOptions {
  std::string prefix = {};  ///< of the tensors that are the module's; others are passed over
  std::vector<std::string> pass_over =
      {};  ///< what begins with one of these, behind the prefix, need not fit
};

/// Loads such tensors into the module, one at a time, converting dtypes. Every tensor of the module must be
/// there (num_batches_tracked excepted), and nothing else under the prefix; throws InputError, with `source`
/// in front and before anything is loaded, naming what is missing, unknown or of the wrong shape.
void load_torch_state_dict(Module& module, const TensorSource& tensors, const std::string& source,
                           const TorchLoadOptions& options = {});
void load_torch_state_dict(Module& module, const TensorMap& tensors, const std::string& source,
                           const TorchLoadOptions& options = {});

}  // namespace tsr
