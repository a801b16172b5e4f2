/** What is in the Debian package, besides the executable. */
import { gzipSync } from 'node:zlib';
import { Command } from 'commander';
import { createClusterCommands } from '#cli/cluster-commands.ts';
import { components } from '#cli/components/index.ts';
import { createStoreCommand } from '#cli/store-command.ts';
import { createTokenCommand } from '#cli/token-command.ts';
import { version } from '#cli/version.ts';
import { createWhyCommand } from '#cli/why-command.ts';
import { componentCompletion, tinkerCompletion } from './completion.ts';
import { componentPage, type TinkerCommand, tinkerPage } from './man-page.ts';
import { unitFiles } from './units.ts';

/** A file of the package: its path without a leading slash. */
export interface PackageFile {
  path: string;
  content: string | Uint8Array;
  mode?: number;
}

/** Units, manual pages, completions and documentation. */
export async function packageFiles(): Promise<PackageFile[]> {
  const loaded = await Promise.all(Object.values(components).map((load) => load()));
  const commands = tinkerCommands();
  const page = (name: string, text: string): PackageFile => ({
    path: `usr/share/man/man8/${name}.8.gz`,
    content: compressed(text),
  });
  const complete = (name: string, content: string): PackageFile => ({
    path: `usr/share/bash-completion/completions/${name}`,
    content,
  });
  return [
    ...Object.entries(unitFiles()).map(([name, content]) => ({ path: `lib/systemd/system/${name}`, content })),
    ...loaded.map(({ name, flags }) => page(name, componentPage(name, version, flags))),
    ...loaded.map(({ name, flags }) => complete(name, componentCompletion(name, flags.names))),
    page('tinker', tinkerPage(version, commands)),
    complete('tinker', tinkerCompletion(commands)),
    { path: 'usr/share/doc/tinkernetes/copyright', content: copyright },
    { path: 'usr/share/doc/tinkernetes/changelog.gz', content: compressed(changelog) },
  ];
}

const compressed = (text: string): Uint8Array => gzipSync(text, { level: 9 });

/** Of the lab, which needs the sources, there is nothing in the package. */
function tinkerCommands(): TinkerCommand[] {
  const program = new Command();
  createClusterCommands(program);
  createStoreCommand(program);
  createTokenCommand(program);
  createWhyCommand(program);
  return program.commands
    .flatMap((command) => [command, ...command.commands])
    .map((command) => ({
      name: command.parent === program ? command.name() : `${command.parent?.name()} ${command.name()}`,
      description: command.description(),
      flags: command.options.map((option) => ({ name: option.long ?? option.short ?? '', text: option.description })),
    }));
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tinkernetes

Files: *
Copyright: the authors of Tinkernetes
License: Apache-2.0
 On Debian systems, the complete text of the Apache License, version 2.0,
 is in /usr/share/common-licenses/Apache-2.0.
`;

const changelog = `tinkernetes (${version}) unstable; urgency=medium

  * The components of Kubernetes 1.36 in one program.

 -- Tinkernetes <tinkernetes@localhost>  Thu, 01 Jan 1970 00:00:00 +0000
`;

const inKib = (bytes: number): number => Math.ceil(bytes / 1024);

/** The programs that the components start, by Debian's packages; libatomic1 is Node's. */
const depends = [
  'libc6 (>= 2.28)',
  'libstdc++6',
  'libatomic1',
  'conntrack',
  'containernetworking-plugins',
  'iproute2',
  'iptables',
  'kmod',
  'mount',
  'nftables',
  'util-linux',
];

/** `DEBIAN/control`. @param installedBytes of all files */
export const controlFile = (architecture: string, installedBytes: number): string => `Package: tinkernetes
Version: ${version}
Architecture: ${architecture}
Maintainer: Tinkernetes <tinkernetes@localhost>
Installed-Size: ${inKib(installedBytes)}
Depends: ${depends.join(', ')}
Recommends: containerd, runc, etcd-server, etcd-client
Suggests: bash-completion
Conflicts: kubelet
Section: admin
Priority: optional
Description: the components of Kubernetes in one program
 kube-apiserver, kube-controller-manager, kube-scheduler, kubelet and
 kube-proxy, with the flags, configuration files and ports of Kubernetes 1.36,
 and tinker, which runs a control plane or a node in one process.
 .
 Each has a systemd unit; none is enabled by the installation.
`;

/** Systemd reads the units that have come or gone. */
export const afterInstall = `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
`;
