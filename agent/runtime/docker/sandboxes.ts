/**
 * Pod sandboxes on Docker. A sandbox is a pause container without a network of Docker's; CNI plugins connect its network
 * namespace. The CNI configuration and result are stored in a file, because DEL needs them again and Docker cannot store them.
 */

import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type Docker from 'dockerode';
import { Folder, readSmallFile, replaceFile, writeFileIn } from '#agent/host/safe-open.ts';
import { errorText } from '#api/error-text.ts';
import type { ContainerRuntime, PodSandbox, PodSandboxConfig, PodSandboxState } from '../runtime.ts';
import { isNotFound, RuntimeError } from '../runtime.ts';
import { addNetwork, type CniAttachment, type CniNetwork, type CniResult, deleteNetwork, loadNetwork } from './cni.ts';
import { sandboxCreateOptions } from './create-options.ts';
import { isNotModified } from './docker-api.ts';
import type { DockerContext } from './docker-context.ts';
import { ensureImage } from './images.ts';
import { createdAtMs, matches, readLabels, sandboxIdLabel, sandboxMetadata, sandboxNamespaces, typeLabel } from './labels.ts';

type SandboxCalls = Pick<
  ContainerRuntime,
  'runPodSandbox' | 'stopPodSandbox' | 'removePodSandbox' | 'podSandboxStatus' | 'listPodSandbox'
>;

/** Limit of the file that stores a sandbox's network: the configuration and the plugins' result. */
const maxStateBytes = 2 ** 20;

/** Writes the file in place (it keeps its inode), because it is mounted in the sandbox already. */
async function writeResolvConf(path: string, text: string): Promise<void> {
  await using folder = await Folder.open(dirname(path));
  await writeFileIn(folder, basename(path), text, 0o644);
}

/** How a sandbox is connected. The file is deleted when the network has been taken down. */
interface Attached {
  network: CniNetwork;
  attachment: Omit<CniAttachment, 'netns'>;
  result?: CniResult | undefined;
}

/** Makes the sandbox calls of the Docker runtime. */
export function sandboxCalls(context: DockerContext): SandboxCalls {
  const { api, cni } = context;
  const file = (id: string): string => join(context.dataDir, 'sandboxes', `${id}.json`);

  async function attached(id: string): Promise<Attached | undefined> {
    try {
      return JSON.parse(await readSmallFile(file(id), maxStateBytes)) as Attached;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function keep(id: string, value: Attached): Promise<void> {
    await mkdir(join(context.dataDir, 'sandboxes'), { recursive: true });
    await replaceFile(file(id), JSON.stringify(value), 0o600);
  }

  async function connect(id: string, pid: number, config: PodSandboxConfig): Promise<void> {
    const network = await loadNetwork(cni.confDir);
    if (network === undefined)
      throw new RuntimeError('Unavailable', 'RunPodSandbox', `cni plugin not initialized: no configuration in ${cni.confDir}`);
    const { name, namespace, uid } = config.metadata;
    const attachment = {
      containerId: id,
      podName: name,
      podNamespace: namespace,
      podUid: uid,
      portMappings: config.portMappings ?? [],
      annotations: config.annotations,
    };
    // The file is also written before ADD: after a crash during ADD, the address must still be freed.
    await keep(id, { network, attachment });
    const result = await addNetwork(cni, network, { ...attachment, netns: `/proc/${pid}/ns/net` });
    await keep(id, { network, attachment, result });
  }

  /**
   * Takes a sandbox's network down. Idempotent. When its process has ended, the namespace does not exist any more, but CNI still
   * frees the address.
   */
  async function disconnect(id: string, pid: number): Promise<void> {
    const known = await attached(id);
    if (known === undefined) return;
    await deleteNetwork(cni, known.network, { ...known.attachment, netns: pid > 0 ? `/proc/${pid}/ns/net` : '' }, known.result);
    await rm(file(id), { force: true });
  }

  const inspect = (id: string): Promise<Docker.ContainerInspectInfo> =>
    api.call('PodSandboxStatus', async (docker) => {
      const found = await docker.getContainer(id).inspect();
      if (found.Config.Labels[typeLabel] !== 'podsandbox')
        throw new RuntimeError('NotFound', 'PodSandboxStatus', `${id} is not a pod sandbox`);
      return found;
    });

  const containersOf = (id: string): Promise<Docker.ContainerInfo[]> =>
    api.call('ContainerList', (docker) =>
      docker.listContainers({ all: true, filters: { label: [`${typeLabel}=container`, `${sandboxIdLabel}=${id}`] } }),
    );

  const calls: SandboxCalls = {
    async runPodSandbox(config, runtimeHandler = '') {
      if (runtimeHandler !== '')
        throw new RuntimeError('InvalidArgument', 'RunPodSandbox', `docker has no runtime handler "${runtimeHandler}"`);
      const defaults = context.defaults();
      await ensureImage(context, defaults.sandboxImage);
      const id = await api.call('RunPodSandbox', (docker) => createNamed(docker, sandboxCreateOptions(config, defaults)));
      try {
        await api.call('RunPodSandbox', (docker) => docker.getContainer(id).start());
        const { State, ResolvConfPath } = await inspect(id);
        // Docker shares this file with every container that joins the network. Docker itself does not know the cluster DNS.
        if (config.dnsConfig !== undefined) await writeResolvConf(ResolvConfPath, resolvConf(config.dnsConfig));
        if (config.linux?.securityContext?.namespaceOptions?.network !== 'NODE') await connect(id, State.Pid, config);
        return id;
      } catch (error) {
        // The first failure is reported. If this removal fails, the kubelet's clean-up finds the container by its labels.
        await calls
          .removePodSandbox(id)
          .catch((failure: Error) => context.log.warn({ err: failure, podSandboxId: id }, 'failed sandbox is left behind'));
        throw error instanceof RuntimeError
          ? error
          : new RuntimeError('Unknown', 'RunPodSandbox', `failed to set up pod network: ${errorText(error)}`, {
              cause: error,
            });
      }
    },

    async stopPodSandbox(id) {
      for (const { Id } of await containersOf(id)) await stopDocker(context, Id, 0);
      const pid = await inspect(id).then(({ State }) => (State.Running ? State.Pid : 0), orAbsent(0));
      await disconnect(id, pid);
      await stopDocker(context, id, 10);
    },

    async removePodSandbox(id) {
      await calls.stopPodSandbox(id);
      for (const { Id } of await containersOf(id)) await removeDocker(context, Id);
      await removeDocker(context, id);
    },

    async podSandboxStatus(id) {
      const { Config, State, Id } = await inspect(id);
      const namespaces = sandboxNamespaces(Config.Labels);
      const known = State.Running && namespaces.network === 'POD' ? await attached(Id) : undefined;
      const [ip = '', ...additionalIps] = (known?.result?.ips ?? []).map(({ address }) => address.replace(/\/\d+$/, ''));
      return { ...sandboxOf(Id, Config.Labels, State.Running), network: { ip, additionalIps }, namespaceOptions: namespaces };
    },

    async listPodSandbox(filter = {}) {
      const filters = { label: [`${typeLabel}=podsandbox`], ...(filter.id ? { id: [filter.id] } : {}) };
      const found = await api.call('ListPodSandbox', (docker) => docker.listContainers({ all: true, filters }));
      return found
        .map(({ Id, Labels, State }) => sandboxOf(Id, Labels, State === 'running'))
        .filter((sandbox) => filter.state === undefined || sandbox.state === filter.state)
        .filter((sandbox) => matches(sandbox.labels, filter.labelSelector));
    },
  };
  return calls;
}

function sandboxOf(id: string, labels: Record<string, string>, running: boolean): PodSandbox {
  const state: PodSandboxState = running ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY';
  return {
    id,
    metadata: sandboxMetadata(labels),
    state,
    createdAtMs: createdAtMs(labels),
    runtimeHandler: '',
    ...readLabels(labels),
  };
}

function resolvConf({ servers = [], searches = [], options = [] }: NonNullable<PodSandboxConfig['dnsConfig']>): string {
  return [
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    '',
  ].join('\n');
}

const orAbsent =
  <Value>(value: Value) =>
  (error: unknown): Value => {
    if (isNotFound(error)) return value;
    throw error;
  };

/**
 * Creates a container. When a crashed attempt has left a container with the same name, that one is removed first. @returns the id
 */
export async function createNamed(docker: Docker, options: Docker.ContainerCreateOptions): Promise<string> {
  try {
    return (await docker.createContainer(options)).id;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode !== 409) throw error;
    return (await docker.createContainer({ ...options, name: `${options.name}_${Date.now().toString(36)}` })).id;
  }
}

/** Stops a container. Idempotent; a container that does not exist is success. @throws RuntimeError */
export async function stopDocker({ api }: DockerContext, id: string, timeoutSeconds: number): Promise<void> {
  try {
    // A stop with timeout 0 still waits between SIGTERM and SIGKILL in Docker, so kill is used.
    const run = (docker: Docker): Promise<unknown> =>
      timeoutSeconds === 0
        ? docker.getContainer(id).kill({ signal: 'SIGKILL' })
        : docker.getContainer(id).stop({ t: timeoutSeconds });
    await api.call('StopContainer', run, timeoutSeconds * 1000 + 120_000);
    await api.call('StopContainer', (docker) => docker.getContainer(id).wait({ condition: 'not-running' }));
  } catch (error) {
    // Docker answers 409 when a container to kill does not run.
    if (isNotFound(error) || isNotModified(error) || (error instanceof RuntimeError && error.code === 'FailedPrecondition'))
      return;
    throw error;
  }
}

/**
 * Removes a container after its log has been copied completely, because Docker deletes its own log with it. Idempotent. @throws
 * RuntimeError
 */
export async function removeDocker(context: DockerContext, id: string): Promise<void> {
  const { api, logs } = context;
  await stopDocker(context, id, 0);
  await logs.finish(id);
  try {
    await api.call('RemoveContainer', (docker) => docker.getContainer(id).remove({ force: true, v: true }));
  } catch (error) {
    const underWay =
      error instanceof RuntimeError && error.code === 'FailedPrecondition' && /already in progress/.test(error.message);
    if (!isNotFound(error) && !underWay) throw error;
  }
  await logs.forget(id);
}
