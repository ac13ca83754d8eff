#pragma once
// The sub-commands: each declares itself and its options below `tessera`, and runs when it is chosen.

namespace tsr {

class Command;

void add_pretrain_command(Command& tessera);
void add_replay_command(Command& tessera);
void add_embed_command(Command& tessera);
void add_attend_command(Command& tessera);
void add_eval_command(Command& tessera);
void add_demo_command(Command& tessera);
void add_info_command(Command& tessera);

}  // namespace tsr
