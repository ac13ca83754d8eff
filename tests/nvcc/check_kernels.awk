# awk -v file=softmax -f check_kernels.awk BUDGETS LOG PTX: holds what ptxas -v said of a file's kernels (LOG) and their
# PTX, both through c++filt, against BUDGETS. Prints each failure with the kernel's name; exit status 1 when there is one.

function short(name) {
  sub(/^.*(entry function '|function properties for |\.entry )/, "", name)
  gsub(/\(anonymous namespace\)::|tsr::cuda::|tsr::/, "", name)
  sub(/^void /, "", name)
  sub(/\(.*$/, "", name)
  sub(/ *$/, "", name)
  return name
}

function fits(rule, kernel) { return rule_kernel[rule] == "*" || index(kernel, rule_kernel[rule]) }

function fail(kernel, what) {
  print file ".cu: " kernel ": " what
  failures++
}

# The budget for one resource: of the last rule whose word the kernel's name holds.
function budget(kernel, resource,    rule, found) {
  for (rule = 1; rule <= rules; rule++)
    if ((rule_file[rule] == "*" || rule_file[rule] == file) && fits(rule, kernel) &&
        rule_resource[rule] == resource)
      found = rule_limit[rule]
  return found
}

function check_resource(kernel, resource, value, unit,    limit) {
  limit = budget(kernel, resource)
  if (value + 0 > limit + 0) fail(kernel, value " " unit ", the budget is " limit)
}

FNR == 1 { part++ }

# Lines of budgets: file, word of a kernel's name, resource or instruction, limit.
part == 1 && !/^#/ && NF {
  rules++
  rule_file[rules] = $1
  rule_kernel[rules] = $2
  rule_resource[rules] = $3
  rule_limit[rules] = $4
}

part == 2 && /Compiling entry function/ { kernel = short($0); kernels++ }
part == 2 && /bytes stack frame/ {
  check_resource(kernel, "stack", $1, "bytes of local memory")
  check_resource(kernel, "spill", $5 + $9, "bytes spilled")
}
part == 2 && /Used [0-9]+ registers/ {
  shared = 0
  for (i = 1; i <= NF; i++) {
    if ($i == "registers," || $i == "registers") registers = $(i - 1)
    if ($i == "smem," || $i == "smem") shared = $(i - 2)
  }
  check_resource(kernel, "registers", registers, "registers")
  check_resource(kernel, "shared", shared, "bytes of shared memory")
  measured++
}

part == 3 && /\.entry / { inside = short($0); bodies++ }
part == 3 && /^}/ { inside = "" }
part == 3 && inside != "" {
  for (rule = 1; rule <= rules; rule++) {
    if (rule_file[rule] != file || rule_resource[rule] !~ /\./ || !fits(rule, inside)) continue
    seen[rule, inside] += 0
    if ($0 ~ "[ \t]" rule_resource[rule]) seen[rule, inside]++
  }
}

END {
  for (place in seen) {
    split(place, parts, SUBSEP)
    met[parts[1]] = 1
    least = rule_limit[parts[1]]
    if (seen[place] < least)
      fail(parts[2], seen[place] " of " rule_resource[parts[1]] " in its PTX, expected at least " least)
  }
  for (rule = 1; rule <= rules; rule++)
    if (rule_file[rule] == file && rule_resource[rule] ~ /\./ && !met[rule])
      fail(rule_kernel[rule], "no kernel of this name, but a budget asks for its instructions")
  if (kernels != measured || kernels != bodies)
    fail("all", kernels + 0 " kernels in the log, " measured + 0 " measured, " bodies + 0 " in the PTX")
  if (failures) exit 1
  print file ".cu: " kernels + 0 " kernels within their budgets"
}
