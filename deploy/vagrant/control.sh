#!/bin/sh
# Provisions the control VM. Arguments: its address, then NAME=ADDRESS of every worker.
set -eu
address=$1
shift
sh /vagrant/deploy/vagrant/install.sh
mkdir -p /etc/tinkernetes
cat > /etc/tinkernetes/server.env <<ENV
TINKER_SERVER_FLAGS=--advertise-address=$address --write-kubeconfig=/etc/tinkernetes/admin.conf
ENV
systemctl enable tinker-server
systemctl restart tinker-server
cp /etc/tinkernetes/admin.conf /cluster/admin.conf
for worker in "$@"; do
  /opt/tinkernetes/bin/tinker node-credentials "${worker%%=*}" \
    --node-ip "${worker#*=}" --server "https://$address:6443" --out "/cluster/${worker%%=*}"
done
