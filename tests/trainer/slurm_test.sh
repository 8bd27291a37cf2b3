#!/bin/bash
# slurm_test.sh CONVOY TRAIN_SBATCH CASE: jobs of configs/slurm/train.sbatch under a real Slurm, which this starts for
# itself: two "nodes" of one processor each on this machine, all of it in a folder that is gone afterwards.
set -uo pipefail
convoy=$(realpath "$1") script=$(realpath "$2") case=$3

for program in slurmctld slurmd munged srun sbatch; do
  PATH=$PATH:/usr/sbin:/sbin command -v $program > /dev/null || { echo "[  SKIPPED ] no $program"; exit 0; }
done
export PATH=$PATH:/usr/sbin:/sbin
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Between "nodes" there is no shared memory, and no network but the loopback.
export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo
unset "${!SLURM_@}"

base=$(mktemp -d -t convoy-slurm.XXXXXX)
chmod 755 "$base"  # munged asks for it
host=$(hostname) user=$(id -un) port=$((20000 + $$ % 10000 * 4))
export SLURM_CONF=$base/slurm.conf
cd "$base" || exit 1

fail() {
  echo "FAILED: $*"
  tail -n 20 "$base"/*.log "$base"/log/* 2> /dev/null
  exit 1
}
stop_all() {
  [[ ! -e slurmctld.pid ]] || timeout 5 scancel --user="$user"
  sleep 1
  cat ./*.pid 2> /dev/null | xargs -r kill 2> /dev/null
  sleep 1
  pkill -KILL -f "$base" 2> /dev/null
  rm -rf "$base"
}
trap stop_all EXIT

# wait_for SECONDS COMMAND...
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < until)) || return 1
    sleep 0.2
  done
}

start_node() { slurmd -N "$1" || fail "slurmd $1 did not start"; }
nodes_idle() { [[ $(sinfo --noheader --partition=low --states=idle --format=%D 2> /dev/null) == 2 ]]; }
start_slurm() {
  mkdir -p state log spool/n1 spool/n2 tmp/n1 tmp/n2
  mkdir -m 755 munge
  (umask 077 && head -c 1024 /dev/urandom > munge/key)
  cat > slurm.conf << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$base/munge/socket,cred_expire=10
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool/%n
SlurmctldPidFile=$base/slurmctld.pid
SlurmdPidFile=$base/slurmd.%n.pid
SlurmctldLogFile=$base/log/slurmctld
SlurmdLogFile=$base/log/slurmd.%n
TmpFS=$base/tmp/%n
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=2,sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
SlurmdTimeout=10
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 RealMemory=500
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 RealMemory=500
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 State=UP
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
END
  munged --key-file="$base/munge/key" --socket="$base/munge/socket" --pid-file="$base/munged.pid" \
    --log-file="$base/log/munged" --seed-file="$base/munge/seed" || fail "munged did not start"
  slurmctld -c || fail "slurmctld did not start"
  start_node n1
  start_node n2
  wait_for 30 nodes_idle || fail "the nodes did not come up: $(sinfo 2>&1)"
}

# A run of some seconds.
prepare() {
  "$convoy" synth --out images --images 256 --size 28 --classes 4 > synth.log 2>&1 &&
    "$convoy" pack images --out data --split train > pack.log 2>&1 || fail "no images to train on"
  cat > run.yaml << END
name: run
epochs: 36
model: {name: resnet8}
data: {path: $base/data, validation: "", augment: [flip]}
batch: {global: 32, lanes: 2}
optimizer: {lr: 0.05}
checkpoint: {every_epochs: 5}
log_every_steps: 5
END
}

submit() {
  job=$(CONVOY=${CONVOY:-$convoy} sbatch --parsable --nodes=2 --ntasks-per-node=1 --time=10 "$script" "$@") ||
    fail "not submitted"
}
of_job() { scontrol show job "$job" 2> /dev/null | sed -n "s/.*\b$1=\([^ ]*\).*/\1/p"; }
has_state() { [[ $(of_job JobState) == "$1" ]]; }
ended() { [[ $(of_job JobState) =~ ^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL)$ ]]; }
restarts_are() { [[ $(of_job Restarts) == "$1" ]]; }
steps_done() { grep -o '"step":[0-9]*' "$1/metrics.jsonl" 2> /dev/null | tail -n 1 | cut -d: -f2; }
has_done() { (($(steps_done "$1" || echo 0) + 0 >= $2)); }
expect_end() {  # STATE EXIT_CODE RESTARTS
  wait_for 120 ended || fail "job $job did not end: $(of_job JobState)"
  local found
  found="$(of_job JobState) $(of_job ExitCode) $(of_job Restarts)"
  [[ $found == "$1 $2:0 $3" ]] || fail "job $job ended $found, expected $1 $2:0 $3"
}
expect_same_weights() {  # as of a run in one go, by one rank
  "$convoy" train run.yaml --set run_folder=alone > alone.log 2>&1 || fail "the run in one go"
  local there here
  there=$(sha256sum < "$1/checkpoints/step-00000288/model.safetensors")
  here=$(sha256sum < alone/checkpoints/step-00000288/model.safetensors)
  [[ $there == "$here" ]] || fail "other weights than of a run in one go"
}

start_slurm
prepare
case $case in
  stopped)  # as before a time limit
    submit run.yaml stopped
    wait_for 60 has_done stopped 50 || fail "made no steps"
    scancel --batch --signal=USR1 "$job"
    expect_end COMPLETED 0 1
    grep -q '"restart":1' stopped/status.json || fail "$(cat stopped/status.json)"
    expect_same_weights stopped
    ;;
  preempted)
    submit run.yaml preempted
    wait_for 60 has_done preempted 50 || fail "made no steps"
    sbatch --partition=high --nodes=2 --wrap 'sleep 1' > /dev/null || fail "nothing to preempt it"
    expect_end COMPLETED 0 1
    expect_same_weights preempted
    ;;
  node_lost)
    submit run.yaml lost
    wait_for 60 has_done lost 100 || fail "made no steps"
    # The node's daemon, the daemon of its part of the job, and the rank.
    kill -KILL "$(cat slurmd.n2.pid)"
    for process in $(grep -lsz '^SLURMD_NODENAME=n2$' /proc/[0-9]*/environ | cut -d/ -f3); do
      kill -KILL "$(ps -o ppid= -p "$process" | tr -d ' ')" "$process" 2> /dev/null
    done
    wait_for 60 restarts_are 1 || fail "not requeued"
    rm -rf spool/n2 tmp/n2 && mkdir spool/n2 tmp/n2
    start_node n2
    expect_end COMPLETED 0 1
    expect_same_weights lost
    ;;
  cancelled)
    submit run.yaml cancelled
    wait_for 60 has_done cancelled 50 || fail "made no steps"
    scancel "$job"
    wait_for 60 ended || fail "job $job did not end: $(of_job JobState)"
    sleep 15  # longer than it takes to start a job anew
    has_state CANCELLED && restarts_are 0 || fail "came back: $(of_job JobState) $(of_job Restarts)"
    ;;
  wrong_configuration)
    submit run.yaml wrong --set epochs=none
    expect_end FAILED 78 0
    ;;
  no_progress)
    printf '#!/bin/sh\nkill -KILL $$\n' > dies && chmod +x dies
    CONVOY=$base/dies submit run.yaml idle
    expect_end FAILED 137 2
    grep -q '3 starts in a row made no checkpoint' "convoy-$job.log" || fail "no reason in the log"
    ;;
  *) fail "no case '$case'" ;;
esac
echo "passed"
