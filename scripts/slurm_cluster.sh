#!/usr/bin/env bash
# A real Slurm on this machine, for tests: `slurm_cluster.sh up` and `slurm_cluster.sh down [--purge]`. Debian 12, root, no systemd.
#   2 virtual nodes (n1, n2), each 4 CPUs and 2 fake GPUs (also gres/shard), slurmdbd + MariaDB accounting, all on 127.0.0.1.
# Idempotent: a daemon is started only if the one recorded in its pid file is not alive; down stops exactly what up started.
# Fake GPUs set CUDA_VISIBLE_DEVICES and limit how many jobs run; they isolate nothing.
# Knobs (environment):
#   SLURM_CI_ROOT (${TMPDIR:-/tmp}/redo-slurm)  SLURM_CI_ACCT=0 (no slurmdbd/MariaDB)  SLURM_CI_MAXARRAY (1001)
set -euo pipefail
ROOT=${SLURM_CI_ROOT:-${TMPDIR:-/tmp}/redo-slurm}
ACCT=${SLURM_CI_ACCT:-1}
MAXARRAY=${SLURM_CI_MAXARRAY:-1001}
DBPORT=${SLURM_CI_DBPORT:-33306}
ETC=/etc/slurm

log() { printf '[slurm_cluster %5.1fs] %s\n' "$(echo "$(date +%s.%N) $T0" | awk '{print $1-$2}')" "$*" >&2; }
T0=$(date +%s.%N)

# a pid file holds "pid starttime" (field 22 of /proc/pid/stat): a recycled pid is never taken for ours
stime() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '{print $20}'; }
alive() { local p s; [ -s "$ROOT/pid/$1" ] || return 1; read -r p s < "$ROOT/pid/$1"; [ -n "$s" ] && [ "$(stime "$p")" = "$s" ]; }
start() { # start NAME CMD...   in the foreground mode of the daemon, detached from us
  local name=$1; shift
  if alive "$name"; then return 0; fi
  setsid nohup "$@" </dev/null >"$ROOT/log/$name.out" 2>&1 &
  local p=$!; disown
  sleep 0.2
  echo "$p $(stime $p)" > "$ROOT/pid/$name"
  log "started $name (pid $p)"
}
waitfor() { # waitfor SECONDS WHAT CMD...
  local t=$1 what=$2; shift 2
  local end=$((SECONDS+t))
  until "$@" >"$ROOT/log/check.out" 2>&1; do
    [ $SECONDS -lt $end ] || { echo "slurm_cluster.sh: no $what after ${t}s; see $ROOT/log" >&2; tail -n 15 "$ROOT"/log/*.out "$ROOT"/log/*.log >&2 || true; exit 1; }
    sleep 0.25
  done
}


up() {
[ "$(id -u)" = 0 ] || { echo "slurm_cluster.sh: must be root (sudo -E $0 up)" >&2; exit 1; }
if [ -e $ETC/slurm.conf ] && ! grep -qx 'ClusterName=ci' $ETC/slurm.conf; then
  echo "slurm_cluster.sh: $ETC/slurm.conf belongs to another cluster; not touching it" >&2; exit 1
fi
mkdir -p "$ROOT"

# --- 1. packages
pk="slurmctld slurmd slurm-client munge"
[ "$ACCT" = 1 ] && pk="$pk slurmdbd mariadb-server"
miss=""
for p in $pk; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || miss="$miss $p"
done
if [ -n "$miss" ]; then
  log "installing:$miss"
  made_policy=0
  if [ ! -e /usr/sbin/policy-rc.d ]; then          # keep dpkg from starting the services itself
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; made_policy=1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $miss > $ROOT/apt.log 2>&1 || { tail -20 $ROOT/apt.log; exit 1; }
  if [ $made_policy = 1 ]; then rm -f /usr/sbin/policy-rc.d; fi
fi

# --- 2. directories, config
mkdir -p "$ROOT"/{pid,log,state,spool,munge,dev} /run/munge
chmod 755 "$ROOT" /run/munge
# a fresh cluster starts its job ids somewhere new: submitit names its files by job id, and would take the result pickle
# of an old job 1 in the same folder for that of the new one
[ -s "$ROOT/firstjob" ] || echo $(( $(date +%s) % 50000000 + 1000 )) > "$ROOT/firstjob"
chown munge:munge "$ROOT/munge" /run/munge; chmod 700 "$ROOT/munge"
# Fake GPUs: gres.conf File= must name a character or block device (a regular file schedules but sets no
# CUDA_VISIBLE_DEVICES; Count= without File= makes the node INVAL in 22.05). Copies of /dev/null do; where mknod is
# not allowed (a container without CAP_MKNOD), two devices that are always there do as well.
GPUS="NodeName=n[1-2] Name=gpu File=$ROOT/dev/nvidia[0-1]"
for i in 0 1; do
  if [ "${SLURM_CI_NOMKNOD:-0}" = 1 ] || { [ ! -c "$ROOT/dev/nvidia$i" ] && ! mknod -m 666 "$ROOT/dev/nvidia$i" c 1 3 2>/dev/null; }; then
    GPUS="NodeName=n[1-2] Name=gpu File=/dev/null
NodeName=n[1-2] Name=gpu File=/dev/zero"
  fi
done

if [ "$ACCT" = 1 ]; then
  ACCTCONF="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=6819
AccountingStorageTRES=gres/gpu,gres/shard
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=5"
else
  ACCTCONF="AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none"
fi

cat > $ETC/slurm.conf.new <<EOC
ClusterName=ci
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=6817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# bind to NodeAddr and SlurmctldHost (127.0.0.1), not to every interface
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
# a requeued job may not start before its old credential has expired: 120 s by default, 6 s with this
AuthInfo=cred_expire=5
StateSaveLocation=$ROOT/state
SlurmdSpoolDir=$ROOT/spool/%n
SlurmctldPidFile=$ROOT/pid/slurmctld.own
SlurmdPidFile=$ROOT/pid/slurmd-%n.own
SlurmctldLogFile=$ROOT/log/slurmctld.log
SlurmdLogFile=$ROOT/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
# no cgroups, no systemd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
# quick reactions, for tests
SlurmctldTimeout=30
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
MinJobAge=300
CompleteWait=0
BatchStartTimeout=10
MessageTimeout=10
# scheduling
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_min_interval=0,batch_sched_delay=0,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# 22.05 name; 23.02+: PreemptParameters=send_user_signal. Sends USR2 at preemption instead of SIGTERM
SlurmctldParameters=preempt_send_user_signal
MaxArraySize=$MAXARRAY
MaxJobCount=20000
FirstJobId=$(cat "$ROOT/firstjob")
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$ACCTCONF
# two virtual nodes on one host (Debian builds with --enable-multiple-slurmd: one slurmd -N per node, one port each);
# config_overrides lets them claim more CPUs and memory than the host has
SlurmdParameters=config_overrides
GresTypes=gpu,shard
NodeName=n[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=4 RealMemory=4000 Gres=gpu:2,shard:8 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=low  Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=1  PreemptMode=REQUEUE GraceTime=30
PartitionName=high Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=100 PreemptMode=OFF
EOC
cat > $ETC/gres.conf.new <<EOC
AutoDetect=off
$GPUS
NodeName=n[1-2] Name=shard Count=8
EOC
for f in slurm gres; do
  if ! cmp -s $ETC/$f.conf.new $ETC/$f.conf; then mv $ETC/$f.conf.new $ETC/$f.conf; CHANGED=1; else rm -f $ETC/$f.conf.new; fi
done
printf '' > $ETC/cgroup.conf.new; mv $ETC/cgroup.conf.new $ETC/cgroup.conf

# --- 4. munge
[ -s "$ROOT/munge/munge.key" ] || { dd if=/dev/urandom of="$ROOT/munge/munge.key" bs=128 count=1 status=none; }
chown munge:munge "$ROOT/munge/munge.key"; chmod 400 "$ROOT/munge/munge.key"
start munged setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force \
  --key-file="$ROOT/munge/munge.key" --log-file="$ROOT/munge/munged.log" \
  --pid-file="$ROOT/munge/munged.pid" --seed-file="$ROOT/munge/munged.seed" --socket=/run/munge/munge.socket.2
waitfor 10 munged sh -c 'munge -n | unmunge'

# --- 5. MariaDB + slurmdbd
if [ "$ACCT" = 1 ]; then
  if [ ! -d "$ROOT/mysql/mysql" ]; then
    log "mariadb-install-db"
    mkdir -p "$ROOT/mysql"; chown mysql:mysql "$ROOT/mysql"; chmod 750 "$ROOT/mysql"
    mariadb-install-db --no-defaults --user=mysql --datadir="$ROOT/mysql" --skip-test-db \
      --auth-root-authentication-method=socket >"$ROOT/log/install-db.out" 2>&1
  fi
  start mariadbd mariadbd --no-defaults --user=mysql --datadir="$ROOT/mysql" --socket="$ROOT/mysql/s.sock" \
    --pid-file="$ROOT/mysql/m.pid" --bind-address=127.0.0.1 --port="$DBPORT" --skip-name-resolve \
    --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=2 --performance-schema=OFF
  waitfor 30 mariadbd mariadb --no-defaults -S "$ROOT/mysql/s.sock" -u root -e 'select 1'
  mariadb --no-defaults -S "$ROOT/mysql/s.sock" -u root -e "
    CREATE DATABASE IF NOT EXISTS slurm_acct_db;
    CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm-ci';
    GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';"
  cat > $ETC/slurmdbd.conf <<EOC
AuthType=auth/munge
CommunicationParameters=NoInAddrAny
DbdHost=$(hostname -s)
DbdAddr=127.0.0.1
DbdPort=6819
SlurmUser=root
DebugLevel=info
LogFile=$ROOT/log/slurmdbd.log
PidFile=$ROOT/pid/slurmdbd.own
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$DBPORT
StorageUser=slurm
StoragePass=slurm-ci
StorageLoc=slurm_acct_db
EOC
  chown root:root $ETC/slurmdbd.conf; chmod 600 $ETC/slurmdbd.conf
  start slurmdbd slurmdbd -D
  waitfor 60 slurmdbd sacctmgr -n show cluster
  sacctmgr -n -P show cluster format=cluster | grep -qx ci || sacctmgr -i add cluster ci >/dev/null
  if ! sacctmgr -n -P show assoc cluster=ci format=user,account | grep -qx 'root|ci'; then
    sacctmgr -i add account ci cluster=ci description=ci organization=ci >/dev/null || true
    sacctmgr -i add user root account=ci cluster=ci >/dev/null || true
  fi
fi

# --- 6. slurmctld, slurmd x2
if [ "${CHANGED:-0}" = 1 ]; then                  # a running cluster with another configuration: restart these three
  for d in slurmd-n1 slurmd-n2 slurmctld; do
    if alive $d; then read -r p _ < "$ROOT/pid/$d"; kill "$p"; while alive $d; do sleep 0.1; done; log "restarting $d"; fi
  done
fi
start slurmctld slurmctld -D
waitfor 30 slurmctld sh -c 'scontrol ping | grep -q "is UP"'
for n in n1 n2; do
  mkdir -p "$ROOT/spool/$n"
  start "slurmd-$n" slurmd -D -N "$n"
done
for n in n1 n2; do                                 # left drained, down or invalid by an earlier run
  sinfo -h -N -n $n -o %T | grep -qE 'drain|down|inval' && scontrol update nodename=$n state=resume 2>/dev/null || true
done
ready() { [ "$(sinfo -h -N -p main -o '%T' | grep -cE '^(idle|mixed|allocated)$')" = 2 ]; }
waitfor 60 "idle nodes" ready
log "ready"
sinfo -N -o '%N %P %T %c %m %G'
}

down() {
if alive slurmctld; then
  squeue -h -o %A 2>/dev/null | sort -u | xargs -r scancel 2>/dev/null || true
  for _ in $(seq 40); do [ -z "$(squeue -h 2>/dev/null)" ] && break; sleep 0.5; done
fi
for n in slurmd-n1 slurmd-n2 slurmctld slurmdbd mariadbd munged; do
  if alive $n; then
    read -r p _ < "$ROOT/pid/$n"
    kill -TERM "$p"
    for _ in $(seq 60); do alive $n || break; sleep 0.25; done
    if alive $n; then kill -KILL "$p"; fi
    echo "stopped $n ($p)"
  fi
  rm -f "$ROOT/pid/$n"
done
if [ "${1:-}" = --purge ]; then
  rm -rf "$ROOT"
  rm -f /etc/slurm/{slurm,gres,cgroup,slurmdbd}.conf
fi
}

case "${1:-}" in
  up) up ;;
  down) shift; down "$@" ;;
  *) echo "usage: $0 up | down [--purge]" >&2; exit 2 ;;
esac
