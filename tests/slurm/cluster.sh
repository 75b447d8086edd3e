#!/usr/bin/env bash
# A SLURM cluster of one node on this machine, from Debian's packages, without systemd.
#
#   cluster.sh start FOLDER   with accounting; ACCOUNTING=no without
#   cluster.sh stop FOLDER    stops what was started from FOLDER, and nothing else
#
# The node claims 8 cores and one GPU, which is a link to /dev/null. Needs root, and apt-get
# where the packages are missing. FOLDER must be open to all users on its way.
set -euo pipefail
command=${1:?start or stop}
base=${2:?a folder}
accounting=${ACCOUNTING:-yes}
host=$(hostname -s)
run=$base/run logs=$base/log state=$base/state conf=/etc/slurm/slurm.conf
port=33306
ours="# of deepfake-atlas' tests"  # the configuration's first line

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
    --socket="$run/mariadb.sock" --port=$port --bind-address=127.0.0.1 \
    --pid-file="$run/mariadb.pid" --innodb-buffer-pool-size=64M --max-allowed-packet=16M \
    --innodb-lock-wait-timeout=900 < /dev/null > "$logs/mariadb.log" 2>&1 &
  wait_for 60 mariadb sql -e 'select 1'
  sql -e "create database if not exists slurm_acct_db;
    create user if not exists slurm@'127.0.0.1' identified by 'slurm';
    grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
  install -o slurm -g slurm -m 600 /dev/null /etc/slurm/slurmdbd.conf
  cat > /etc/slurm/slurmdbd.conf << END
AuthType=auth/munge
DbdHost=$host
DbdAddr=127.0.0.1
SlurmUser=slurm
LogFile=$logs/slurmdbd.log
PidFile=$run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$port
StorageUser=slurm
StoragePass=slurm
END
  setsid runuser -u slurm -- slurmdbd < /dev/null > "$logs/slurmdbd.out" 2>&1
  wait_for 60 slurmdbd sacctmgr -n show cluster
  [ -n "$(sacctmgr -nP show cluster test format=cluster)" ] || sacctmgr -i add cluster test > /dev/null
}

write_configuration() {
  local storage="AccountingStorageType=accounting_storage/none"
  [ "$accounting" = no ] || storage="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment"
  ln -sfn /dev/null "$base/gpu0"
  echo "NodeName=$host Name=gpu File=$base/gpu0" > /etc/slurm/gres.conf
  # Memory is enforced by polling, since there are no control groups; jobs of the
  # partition `urgent` preempt the others'.
  cat > $conf << END
$ours
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=slurm
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation=$state/slurmctld
SlurmdSpoolDir=$state/slurmd
SlurmctldPidFile=$run/slurmctld.pid
SlurmdPidFile=$run/slurmd.pid
SlurmctldLogFile=$logs/slurmctld.log
SlurmdLogFile=$logs/slurmd.log
KillWait=20
SchedulerParameters=bf_interval=5,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$storage
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=$(awk '/MemTotal/ {print int($2 / 1024) - 1024}' /proc/meminfo) Gres=gpu:1
PartitionName=cpu Nodes=$host Default=YES MaxTime=1-0 PriorityTier=1
PartitionName=gpu Nodes=$host MaxTime=1-0 PriorityTier=1 GraceTime=20
PartitionName=urgent Nodes=$host MaxTime=1-0 PriorityTier=2
END
}

# Whether SLURM's configuration is one that was written here.
conf_is_ours() { [ "$(head -n 1 $conf 2> /dev/null)" = "$ours" ]; }

node_is_up() { sinfo -h -N -o %T | grep -qE '^(idle|mixed|allocated)'; }

start() {
  [ "$(id -u)" = 0 ] || fail "needs root"
  [ ! -e $conf ] || conf_is_ours || fail "this machine has a SLURM of its own, $conf"
  mkdir -p "$run" "$logs" "$state"
  install_packages
  getent hosts "$host" > /dev/null || echo "127.0.0.1 $host" >> /etc/hosts
  chmod 1777 "$run" "$logs"
  install -d -o slurm -g slurm -m 755 "$state/slurmctld"
  install -d -m 755 "$state/slurmd" /etc/slurm
  start_munge
  write_configuration
  [ "$accounting" = no ] || start_accounting
  setsid runuser -u slurm -- slurmctld < /dev/null > "$logs/slurmctld.out" 2>&1
  wait_for 30 slurmctld scontrol ping
  setsid slurmd < /dev/null > "$logs/slurmd.out" 2>&1
  # The account and the partitions are those of the profile's site.yaml as it comes.
  if [ "$accounting" != no ] && [ -z "$(sacctmgr -nP show account my-account format=account)" ]; then
    sacctmgr -i add account my-account Description=lab Organization=lab > /dev/null
    sacctmgr -i add user root Account=my-account > /dev/null
  fi
  wait_for 30 "the node" node_is_up
}

stop() {
  if [ -e "$run/slurmctld.pid" ]; then
    scancel --user="$(id -u)" 2> /dev/null || true
    sleep 1
  fi
  end "$run/slurmd.pid" slurmd
  end "$run/slurmctld.pid" slurmctld
  end "$run/slurmdbd.pid" slurmdbd
  end "$run/mariadb.pid" mariadbd
  end "$run/munged.pid" munged
  # With it and without a controller, each start of Snakemake would wait for nine seconds.
  ! conf_is_ours || rm -f $conf
}

case $command in
  start) start ;;
  stop) stop ;;
  *) fail "$command: start or stop" ;;
esac
