#pragma once
// The sub-commands: each declares its options on `app` and runs when it is chosen.

namespace CLI {
class App;
}

namespace tsr {

void add_pretrain_command(CLI::App& app);
void add_replay_command(CLI::App& app);
void add_embed_command(CLI::App& app);
void add_attend_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_demo_command(CLI::App& app);
void add_info_command(CLI::App& app);

}  // namespace tsr
