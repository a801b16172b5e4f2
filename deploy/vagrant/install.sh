#!/bin/sh
# Installs Node's npm, the project and the systemd units on a VM. Arguments: Debian packages that this machine's role needs.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends nodejs npm "$@"
mkdir -p /opt/tinkernetes
cp -r /vagrant/. /opt/tinkernetes/
cd /opt/tinkernetes
npm ci --no-audit --no-fund --loglevel=error
npm run build
install -m 644 deploy/systemd/tinker-server.service deploy/systemd/tinker-agent.service /etc/systemd/system/
systemctl daemon-reload
