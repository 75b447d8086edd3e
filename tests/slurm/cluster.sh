#!/usr/bin/env bash
# A SLURM cluster on this machine, from Debian's packages, without systemd.
#
#   cluster.sh start FOLDER   with accounting; ACCOUNTING=no without
#   cluster.sh stop FOLDER    stops what was started from FOLDER, and nothing else
#
# Its configuration is FOLDER/slurm.conf: SLURM's commands and Snakemake find the cluster
# by the variable SLURM_CONF. Jobs of Snakemake's remove this variable: FOLDER/bin, which
# must be the first in PATH, has an srun that sets it. A cluster with and one without
# accounting can run at once.
# Each node claims 8 cores and some GPUs, which are links to /dev/null. Needs root, and
# apt-get where the packages are missing. Every user must be able to enter FOLDER.
set -euo pipefail
command=${1:?start or stop}
base=${2:?a folder}
accounting=${ACCOUNTING:-yes}
host=$(hostname -s)
run=$base/run logs=$base/log state=$base/state
export SLURM_CONF=$base/slurm.conf
# The ports of slurmctld, slurmdbd and MariaDB; those of the nodes follow.
[ "$accounting" = no ] && port=17917 || port=17817
# Each node runs a slurmd of its own on this machine, so that a test that drains or fills
# a node disturbs no other. Only the first has the partitions of site.yaml.
nodes=(one two three four)
declare -A gpus=([one]=1 [two]=1 [three]=1 [four]=4)

fail() { echo "cluster.sh: $*; logs are in $logs" >&2; exit 1; }

wait_for() { # SECONDS WHAT COMMAND...
  local tries=$(($1 * 5)) what=$2
  shift 2
  for ((i = 0; i < tries; i++)); do
    "$@" > /dev/null 2>&1 && return 0
    sleep 0.2
  done
  fail "$what is not ready"
}

# The process of a PID file, if it still runs the program of that name.
process_of() { # PIDFILE PROGRAM
  local pid
  pid=$(cat "$1" 2> /dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2> /dev/null)" = "$2" ] || return 1
  ! grep -q '^State:.*zombie' "/proc/$pid/status" || return 1
  echo "$pid"
}

end() { # PIDFILE PROGRAM
  local pid
  pid=$(process_of "$1" "$2") || return 0
  kill "$pid" || return 0
  for ((i = 0; i < 100; i++)); do
    process_of "$1" "$2" > /dev/null || return 0
    sleep 0.2
  done
  kill -9 "$pid"
}

install_packages() {
  local missing=() policy=/usr/sbin/policy-rc.d
  for package in munge slurmctld slurmd slurm-client slurmdbd mariadb-server mariadb-client; do
    dpkg -s "$package" > /dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  # Packages must not start their daemons.
  local made=no
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy && made=yes; }
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get -q update || true
    apt-get -q -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}"
  } > "$logs/apt.log" 2>&1 || fail "the packages cannot be installed"
  [ $made = no ] || rm -f $policy
}

start_munge() {
  install -d -o munge -g munge -m 755 /run/munge
  install -d -o munge -g munge -m 700 /etc/munge /var/lib/munge /var/log/munge
  if [ ! -s /etc/munge/munge.key ]; then
    head -c 128 /dev/urandom > /etc/munge/munge.key
    chown munge:munge /etc/munge/munge.key
    chmod 400 /etc/munge/munge.key
  fi
  if ! munge -n 2> /dev/null | unmunge > /dev/null 2>&1; then
    rm -f /run/munge/munge.socket*
    setsid runuser -u munge -- munged < /dev/null > "$logs/munged.out" 2>&1
    wait_for 10 munge sh -c 'munge -n | unmunge'
    cp /run/munge/munged.pid "$run/munged.pid"
  fi
}

sql() { mariadb --no-defaults --socket="$run/mariadb.sock" -uroot "$@"; }

start_accounting() {
  install -d -o mysql -g mysql -m 750 "$state/mysql"
  [ -d "$state/mysql/mysql" ] ||
    mariadb-install-db --no-defaults --user=mysql --datadir="$state/mysql" \
      --auth-root-authentication-method=normal --skip-test-db > "$logs/mariadb.install" 2>&1
  setsid mariadbd --no-defaults --user=mysql --datadir="$state/mysql" \
    --socket="$run/mariadb.sock" --port=$((port + 2)) --bind-address=127.0.0.1 \
    --pid-file="$run/mariadb.pid" --innodb-buffer-pool-size=64M --max-allowed-packet=16M \
    --innodb-lock-wait-timeout=900 < /dev/null > "$logs/mariadb.log" 2>&1 &
  wait_for 60 mariadb sql -e 'select 1'
  sql -e "create database if not exists slurm_acct_db;
    create user if not exists slurm@'127.0.0.1' identified by 'slurm';
    grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
  install -o slurm -g slurm -m 600 /dev/null "$base/slurmdbd.conf"
  cat > "$base/slurmdbd.conf" << END
AuthType=auth/munge
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((port + 1))
SlurmUser=slurm
LogFile=$logs/slurmdbd.log
PidFile=$run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 2))
StorageUser=slurm
StoragePass=slurm
END
  setsid runuser -u slurm -- slurmdbd < /dev/null > "$logs/slurmdbd.out" 2>&1
  wait_for 60 slurmdbd sacctmgr -n show cluster
  [ -n "$(sacctmgr -nP show cluster test format=cluster)" ] || sacctmgr -i add cluster test > /dev/null
  # The account of site.yaml.
  if [ -z "$(sacctmgr -nP show account my-account format=account)" ]; then
    sacctmgr -i add account my-account Description=lab Organization=lab > /dev/null
    sacctmgr -i add user root Account=my-account > /dev/null
  fi
}

write_configuration() {
  local storage="AccountingStorageType=accounting_storage/none" memory
  [ "$accounting" = no ] || storage="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 1))
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment"
  memory=$(awk '/MemTotal/ {print int($2 / 1024) - 1024}' /proc/meminfo)
  # Memory is enforced by polling, since there are no control groups. Jobs of the
  # partition `urgent` preempt the others of its node.
  cat > "$SLURM_CONF" << END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=slurm
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation=$state/slurmctld
SlurmdSpoolDir=$state/slurmd-%n
SlurmctldPidFile=$run/slurmctld.pid
SlurmdPidFile=$run/slurmd-%n.pid
SlurmctldLogFile=$logs/slurmctld.log
SlurmdLogFile=$logs/slurmd-%n.log
KillWait=5
PropagatePrioProcess=1
MessageTimeout=60
SchedulerParameters=bf_interval=5,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$storage
PartitionName=DEFAULT MaxTime=1-0 PriorityTier=1
PartitionName=cpu Nodes=one Default=YES
PartitionName=gpu Nodes=one
PartitionName=preempted Nodes=two GraceTime=20
PartitionName=urgent Nodes=two PriorityTier=2
PartitionName=drained Nodes=three
PartitionName=others Nodes=four
END
  mkdir -p "$base/bin"
  printf '#!/bin/sh\nSLURM_CONF=%q exec /usr/bin/srun "$@"\n' "$SLURM_CONF" > "$base/bin/srun"
  chmod 755 "$base/bin/srun"
  : > "$base/gres.conf"
  local node i at=$((port + 3))
  for node in "${nodes[@]}"; do
    for ((i = 0; i < gpus[$node]; i++)); do
      ln -sfn /dev/null "$base/$node-gpu$i"
      echo "NodeName=$node Name=gpu File=$base/$node-gpu$i" >> "$base/gres.conf"
    done
    echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((at++))" \
      "CPUs=8 RealMemory=$memory Gres=gpu:${gpus[$node]}" >> "$SLURM_CONF"
  done
}

controller_is_up() { process_of "$run/slurmctld.pid" slurmctld && scontrol ping; }

nodes_are_up() {
  [ "$(sinfo -h -N -o '%N %T' | sort -u | grep -cE ' (idle|mixed|allocated)$')" = ${#nodes[@]} ]
}

start() {
  [ "$(id -u)" = 0 ] || fail "needs root"
  mkdir -p "$run" "$logs" "$state"
  install_packages
  getent hosts "$host" > /dev/null || echo "127.0.0.1 $host" >> /etc/hosts
  chmod 1777 "$run" "$logs"
  install -d -o slurm -g slurm -m 755 "$state/slurmctld"
  start_munge
  write_configuration
  [ "$accounting" = no ] || start_accounting
  setsid runuser -u slurm -- slurmctld < /dev/null > "$logs/slurmctld.out" 2>&1
  wait_for 30 slurmctld controller_is_up
  local node
  for node in "${nodes[@]}"; do
    install -d -m 755 "$state/slurmd-$node"
    setsid slurmd -N "$node" < /dev/null > "$logs/slurmd-$node.out" 2>&1
  done
  wait_for 30 "a node" nodes_are_up
}

stop() {
  if [ -e "$run/slurmctld.pid" ]; then
    scancel --user="$(id -u)" 2> /dev/null || true
    sleep 1
  fi
  local node
  for node in "${nodes[@]}"; do
    end "$run/slurmd-$node.pid" slurmd
  done
  end "$run/slurmctld.pid" slurmctld
  end "$run/slurmdbd.pid" slurmdbd
  end "$run/mariadb.pid" mariadbd
  end "$run/munged.pid" munged
}

case $command in
  start) start ;;
  stop) stop ;;
  *) fail "$command: start or stop" ;;
esac
