/** The configuration file of a containerd that serves as a node's CRI runtime. */

export interface ContainerdConfigOptions {
  /** Images, snapshots and metadata; survives a reboot. */
  root: string;
  /** Mounts and sockets of running containers; a tmpfs will do. */
  state: string;
  /** Path of containerd's socket, without `unix://`. */
  socket: string;
  /** Reference of the pod sandbox's image, present on the node or pullable. */
  sandboxImage: string;
  cniConfDir: string;
  /** Default: Debian's `/usr/lib/cni`. */
  cniBinDir?: string | undefined;
  /** `overlayfs` (default) wants a filesystem that can be overlayfs' upper layer; `native` copies and works anywhere. */
  snapshotter?: 'overlayfs' | 'native' | undefined;
  /** Directory with `<host>/hosts.toml`: mirrors and certificates of registries. */
  registryConfigDir?: string | undefined;
  /** Keep oom_score_adj at or above containerd's own: needed without CAP_SYS_RESOURCE. */
  restrictOomScoreAdj?: boolean | undefined;
  /** Default: cgroupfs. */
  systemdCgroup?: boolean | undefined;
  logLevel?: 'debug' | 'info' | 'warn' | 'error' | undefined;
}

/** Plugins of containerd 1.6 that a CRI node does not need; they cost start-up time and warnings. */
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
 * The text of containerd's `config.toml` (version 2: containerd 1.5 to 1.7; 2.x migrates it). Several containerds share a
 * machine when `root`, `state` and `socket` differ; the CNI state differs by network name and host-local's `dataDir`.
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
    // Namespaces of sandboxes beside the rest of the state, so that several containerds do not mix in /var/run/netns.
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
