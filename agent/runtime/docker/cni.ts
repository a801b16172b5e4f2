/**
 * Connects a pod to its network with CNI plugins: runs the plugins of the first configuration in a folder with ADD and DEL.
 *
 * Source: CNI specification 1.0.0. Kubernetes defines the names of ARGS and capabilities by convention.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Exec, ExecError } from '#agent/host/exec.ts';
import { readSmallFile } from '#agent/host/safe-open.ts';
import type { PortMapping } from '../types.ts';
import { podBandwidth } from './bandwidth.ts';

const maxConfigBytes = 2 ** 20;

interface CniPlugin {
  type: string;
  capabilities?: Readonly<Record<string, boolean>> | undefined;
}

/** A CNI network configuration list. */
export interface CniNetwork {
  cniVersion: string;
  name: string;
  plugins: readonly CniPlugin[];
}

/** The result of the last plugin (CNI specification, section 5). */
export interface CniResult {
  ips?: readonly { address: string }[];
}

/** The pod that is connected, as the plugins get it. */
export interface CniAttachment {
  containerId: string;
  /** Path of the network namespace, `/proc/<pid>/ns/net`. Empty when the namespace does not exist any more, which DEL allows. */
  netns: string;
  podName: string;
  podNamespace: string;
  podUid: string;
  portMappings: readonly PortMapping[];
  /** Of the pod. */
  annotations?: Readonly<Record<string, string>> | undefined;
}

/** What the calls of plugins depend on. */
export interface CniOptions {
  confDir: string;
  binDir: string;
  /** Runs the plugins in the node's network namespace. */
  exec: Exec;
}

/** The network of the first file in alphabetical order, as every runtime chooses. `undefined` when there is no file yet. */
export async function loadNetwork(confDir: string): Promise<CniNetwork | undefined> {
  const names = await readdir(confDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const first = names.filter((name) => /\.(conflist|conf|json)$/.test(name)).sort()[0];
  if (first === undefined) return undefined;
  const config = JSON.parse(await readSmallFile(join(confDir, first), maxConfigBytes)) as CniNetwork & CniPlugin;
  return config.plugins === undefined ? { cniVersion: config.cniVersion, name: config.name, plugins: [config] } : config;
}

/**
 * Runs ADD for each plugin in order. @throws Error with the plugin's message. The plugins that have run before are undone with
 * DEL
 */
export async function addNetwork(options: CniOptions, network: CniNetwork, attachment: CniAttachment): Promise<CniResult> {
  let result: CniResult | undefined;
  try {
    for (const plugin of network.plugins)
      result = (await runPlugin(options, 'ADD', network, plugin, attachment, result)) ?? result;
  } catch (error) {
    await deleteNetwork(options, network, attachment, result).catch(() => undefined); // The first failure is reported, not this one.
    throw error;
  }
  return result ?? {};
}

/** Runs DEL for each plugin in reverse order. Idempotent, as plugins must be. @throws Error with the plugin's message */
export async function deleteNetwork(
  options: CniOptions,
  network: CniNetwork,
  attachment: CniAttachment,
  result?: CniResult,
): Promise<void> {
  for (const plugin of network.plugins.toReversed()) await runPlugin(options, 'DEL', network, plugin, attachment, result);
}

async function runPlugin(
  { binDir, exec }: CniOptions,
  command: 'ADD' | 'DEL',
  network: CniNetwork,
  plugin: CniPlugin,
  attachment: CniAttachment,
  prevResult: CniResult | undefined,
): Promise<CniResult | undefined> {
  const { capabilities, ...config } = plugin;
  const stdin = JSON.stringify({
    ...config,
    cniVersion: network.cniVersion,
    name: network.name,
    ...runtimeConfig(command, capabilities, attachment),
    ...(prevResult === undefined ? {} : { prevResult }),
  });
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: 'eth0',
    CNI_PATH: binDir,
    CNI_ARGS: [
      'IgnoreUnknown=1',
      `K8S_POD_NAMESPACE=${attachment.podNamespace}`,
      `K8S_POD_NAME=${attachment.podName}`,
      `K8S_POD_INFRA_CONTAINER_ID=${attachment.containerId}`,
      `K8S_POD_UID=${attachment.podUid}`,
    ].join(';'),
  };
  try {
    const { stdout } = await exec([join(binDir, plugin.type)], { stdin, env });
    return stdout.trim() === '' ? undefined : (JSON.parse(stdout) as CniResult);
  } catch (error) {
    throw new Error(`CNI plugin ${plugin.type} failed to ${command} network ${network.name}: ${pluginMessage(error)}`, {
      cause: error,
    });
  }
}

/** What a plugin's capabilities ask for (CNI specification, "Deriving runtimeConfig"). @throws Error for an annotation that cannot be used */
function runtimeConfig(
  command: 'ADD' | 'DEL',
  capabilities: CniPlugin['capabilities'] = {},
  attachment: CniAttachment,
): { runtimeConfig?: object } {
  // What could not be used when the pod came must not keep it from going.
  const bandwidth = command === 'ADD' && capabilities.bandwidth === true ? podBandwidth(attachment.annotations) : undefined;
  const config = {
    ...(capabilities.portMappings === true ? { portMappings: hostPorts(attachment.portMappings) } : {}),
    ...(bandwidth === undefined ? {} : { bandwidth }),
  };
  return Object.keys(config).length === 0 ? {} : { runtimeConfig: config };
}

const hostPorts = (mappings: readonly PortMapping[]): object[] =>
  mappings
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIp }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      hostIP: hostIp ?? '',
    }));

/** The failure of a plugin: it prints the message as JSON to standard output. */
function pluginMessage(error: unknown): string {
  if (!(error instanceof ExecError)) return String(error);
  try {
    const { msg, details } = JSON.parse(error.result.stdout) as { msg?: string; details?: string };
    return [msg, details].filter((text) => text).join(': ');
  } catch {
    return error.message;
  }
}
