/** Reads a pod from the container runtime, with the termination messages that its containers left. */
import { basename, dirname } from 'node:path';
import { ifThere, openFolder, readAtMost } from '#agent/host/safe-open.ts';
import type { ContainerRuntime, ContainerStatus, PodSandboxStatus } from '#agent/runtime/runtime.ts';
import { isNotFound } from '#agent/runtime/runtime.ts';
import type { ContainerLabels } from '../container/labels.ts';
import { parseContainerLabels, podUidLabel } from '../container/labels.ts';
import { messageText } from '../errors.ts';
import { readLastLogLines } from '../server/log-tail.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';

/** Looks at pods in the container runtime. @throws RuntimeError when the runtime cannot be asked */
export interface Observer {
  observe(pod: { uid: string; name: string; namespace: string }): Promise<ObservedPod>;
}

/** Upstream's limits of a termination message, and of the log lines that replace a missing one. */
const maxMessageBytes = 4096;
/** How many messages are remembered: more than a full node has ended containers. */
const maxMessages = 1000;
const maxLogBytes = 2048;
const maxLogLines = 80;

/** An observer of this node's pods. @param podsDir the kubelet's folder of all pods, in which containers can plant files */
export function createObserver(runtime: ContainerRuntime, podsDir: string): Observer {
  /** Termination messages by container ID: they do not change any more. */
  const messages = new Map<string, string>();

  async function observeContainer(id: string): Promise<ObservedContainer | undefined> {
    let status: ContainerStatus;
    try {
      status = await runtime.containerStatus(id);
    } catch (error) {
      // The container was removed after the list.
      if (isNotFound(error)) return undefined;
      throw error;
    }
    const labels = parseContainerLabels(status.labels, status.annotations);
    if (labels === undefined) return undefined;
    if (status.state !== 'CONTAINER_EXITED') return { name: labels.container, sandboxId: '', status, labels };
    const own = messages.get(id) ?? (await terminationMessage(status, labels, podsDir));
    messages.set(id, own);
    // A message that is dropped here is read again if its container still exists.
    if (messages.size > maxMessages) for (const oldest of messages.keys().take(1)) messages.delete(oldest);
    const message = [status.message, own].filter((text) => text !== '').join(': ');
    return { name: labels.container, sandboxId: '', status: { ...status, message }, labels };
  }

  async function observeSandbox(id: string): Promise<PodSandboxStatus | undefined> {
    try {
      return await runtime.podSandboxStatus(id);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  return {
    async observe({ uid, name, namespace }) {
      const filter = { labelSelector: { [podUidLabel]: uid } };
      const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(filter), runtime.listContainers(filter)]);
      const [sandboxStates, containerStates] = await Promise.all([
        Promise.all(sandboxes.map(({ id }) => observeSandbox(id))),
        Promise.all(
          containers.map(async ({ id, podSandboxId }) => {
            const observed = await observeContainer(id);
            return observed === undefined ? undefined : { ...observed, sandboxId: podSandboxId };
          }),
        ),
      ]);
      return {
        uid,
        name,
        namespace,
        sandboxes: sandboxStates.filter((sandbox) => sandbox !== undefined).sort((a, b) => b.createdAtMs - a.createdAtMs),
        containers: containerStates
          .filter((container) => container !== undefined)
          .sort((a, b) => b.status.createdAtMs - a.status.createdAtMs),
      };
    },
  };
}

async function terminationMessage(status: ContainerStatus, labels: ContainerLabels, podsDir: string): Promise<string> {
  const mount = status.mounts.find(({ containerPath }) => containerPath === labels.terminationMessagePath);
  const message = mount === undefined ? '' : await readEnd(mount.hostPath, podsDir);
  if (message !== '' || labels.terminationMessagePolicy !== 'FallbackToLogsOnError' || status.exitCode === 0) return message;
  return readLastLogLines(status.logPath, maxLogLines, maxLogBytes).catch(
    (error: unknown) => `Error on reading termination message from logs: ${messageText(error)}`,
  );
}

/**
 * The last 4 KiB of a file, opened carefully: a volume may be mounted over it, with anything in it. Source: upstream
 * `pkg/kubelet/util/tail` (ReadAtMost).
 */
async function readEnd(path: string, podsDir: string): Promise<string> {
  try {
    await using folder = await ifThere(openFolder(path.startsWith(`${podsDir}/`) ? podsDir : '/', dirname(path)));
    await using file = folder === undefined ? undefined : await ifThere(folder.openFile(basename(path)));
    if (file === undefined) return '';
    const { size } = await file.stat();
    return (await readAtMost(file, maxMessageBytes, Math.max(0, size - maxMessageBytes))).toString('utf8');
  } catch (error) {
    return `Error on reading termination log ${path}: ${messageText(error)}`;
  }
}
