# A warp's shuffles as thread 5 of a block sees them: docs/first-kernel.md.
set filename-display basename
set print address off
set trace-commands on
start step
break warp_reduce<tsr::emu::Max, float> if threadIdx.x == 5
continue
print threadIdx
backtrace 2
display x
next
display threadIdx.x ^ distance
next
next
next
next
delete 2
finish
