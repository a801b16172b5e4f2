/** Builds the configuration file of a containerd that is a node's CRI runtime. */

/** What the configuration depends on. */
export interface ContainerdConfigOptions {
  /** Directory of images, snapshots and metadata, which must survive a reboot. */
  root: string;
  /** Directory of mounts and sockets of running containers. It may be on a tmpfs. */
  state: string;
  /** runc's state directory. Default: containerd's own, `/run/containerd/runc`, which all containerds of a machine share. */
  runcRoot?: string | undefined;
  /** Path of containerd's socket, without `unix://`. */
  socket: string;
  /** Reference of the pod sandbox's image. The image must be on the node, or a registry must have it. */
  sandboxImage: string;
  cniConfDir: string;
  /** Directory of the CNI plugins. Default: Debian's `/usr/lib/cni`. */
  cniBinDir?: string | undefined;
  /**
   * `overlayfs` (default) needs a filesystem that can be an upper layer of overlayfs. `native` copies files and works on every
   * filesystem.
   */
  snapshotter?: 'overlayfs' | 'native' | undefined;
  /** Directory with `<host>/hosts.toml`: mirrors and certificates of registries. Absent: none. */
  registryConfigDir?: string | undefined;
  /**
   * Raise oom_score_adj of containers to at least containerd's own. Needed when containerd runs without CAP_SYS_RESOURCE. Default
   * false.
   */
  restrictOomScoreAdj?: boolean | undefined;
  /** Use the cgroup driver systemd. Default: cgroupfs. */
  systemdCgroup?: boolean | undefined;
  logLevel?: 'debug' | 'info' | 'warn' | 'error' | undefined;
}

/** Plugins of containerd 1.6 that a CRI node does not need. Loading them takes time and logs warnings. */
const unneededPlugins = [
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.internal.v1.restart',
  'io.containerd.internal.v1.tracing',
  'io.containerd.tracing.processor.v1.otlp',
];

/**
 * The text of containerd's `config.toml` (version 2: containerd 1.5 to 1.7; 2.x migrates it). Several containerds can share a
 * machine when their `root`, `state` and `socket` differ, and their CNI networks have different names and `dataDir`s. Pure.
 *
 * Source: containerd docs/cri/config.md.
 */
export function containerdConfig(options: ContainerdConfigOptions): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  const text = (value: string): string => JSON.stringify(value);
  return [
    'version = 2',
    `root = ${text(options.root)}`,
    `state = ${text(options.state)}`,
    `disabled_plugins = [${unneededPlugins.map(text).join(', ')}]`,
    '',
    '[grpc]',
    `  address = ${text(options.socket)}`,
    '',
    '[debug]',
    `  level = ${text(options.logLevel ?? 'info')}`,
    '',
    '[plugins."io.containerd.internal.v1.opt"]',
    `  path = ${text(`${options.root}/opt`)}`,
    '',
    `[${cri}]`,
    `  sandbox_image = ${text(options.sandboxImage)}`,
    `  restrict_oom_score_adj = ${options.restrictOomScoreAdj ?? false}`,
    // Keeps the sandboxes' network namespaces in the state directory, so that several containerds do not share /var/run/netns.
    '  netns_mounts_under_state_dir = true',
    '  stream_server_address = "127.0.0.1"',
    '  stream_server_port = "0"',
    '',
    `[${cri}.containerd]`,
    `  snapshotter = ${text(options.snapshotter ?? 'overlayfs')}`,
    '  default_runtime_name = "runc"',
    '',
    `[${cri}.containerd.runtimes.runc]`,
    '  runtime_type = "io.containerd.runc.v2"',
    '',
    `[${cri}.containerd.runtimes.runc.options]`,
    `  SystemdCgroup = ${options.systemdCgroup ?? false}`,
    ...(options.runcRoot === undefined ? [] : [`  Root = ${text(options.runcRoot)}`]),
    '',
    `[${cri}.cni]`,
    `  conf_dir = ${text(options.cniConfDir)}`,
    `  bin_dir = ${text(options.cniBinDir ?? '/usr/lib/cni')}`,
    '',
    `[${cri}.registry]`,
    `  config_path = ${text(options.registryConfigDir ?? '')}`,
    '',
  ].join('\n');
}
