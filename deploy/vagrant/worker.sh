#!/bin/sh
# Provisions a worker VM. Arguments: its node name and address. Its credentials were left in /cluster by the control VM.
set -eu
name=$1
address=$2
sh /vagrant/deploy/vagrant/install.sh containerd runc iptables nftables conntrack containernetworking-plugins
mkdir -p /etc/tinkernetes/pki /etc/cni/net.d
cp "/cluster/$name/"* /etc/tinkernetes/pki/
chmod 600 /etc/tinkernetes/pki/*
cat > /etc/tinkernetes/agent.env <<ENV
TINKER_AGENT_FLAGS=--hostname-override=$name --node-ip=$address
ENV
/opt/tinkernetes/bin/tinker containerd-config > /etc/containerd/config.toml
systemctl restart containerd
systemctl enable tinker-agent
systemctl restart tinker-agent
