/** Commands in containers, attach and port-forward on Docker. */
import { type Duplex, PassThrough, type Readable } from 'node:stream';
import type Docker from 'dockerode';
import { openPipe, pipeDuplex } from '#agent/host/pipe.ts';
import type { ContainerRuntime } from '../runtime.ts';
import { RuntimeError } from '../runtime.ts';
import type { ProcessStreams } from '../streaming/stream-request.ts';
import type { DockerContext } from './docker-context.ts';

type ProcessCalls = Pick<ContainerRuntime, 'execSync' | 'exec' | 'attach' | 'portForward'>;

/** Upstream's limit for each of the two outputs of ExecSync (CVE-2022-1708). Further bytes are dropped. */
const maxOutputBytes = 16 * 1024 * 1024;

/** Deadline of the call that asks Docker for the process to kill. */
const killMs = 5_000;

/** Makes the exec, attach and port-forward calls of the Docker runtime. */
export function processCalls(context: DockerContext): ProcessCalls {
  const { api, clock, log, streaming } = context;

  const running = (id: string, call: string): Promise<Docker.ContainerInspectInfo> =>
    api.call(call, async (docker) => {
      const found = await docker.getContainer(id).inspect();
      if (!found.State.Running) throw new RuntimeError('FailedPrecondition', call, `container ${id} is not running`);
      return found;
    });

  /** The output streams of a hijacked connection. Without a terminal, Docker multiplexes both into one. */
  function outputs(
    docker: Docker,
    connection: Duplex,
    tty: boolean,
  ): { stdout: Readable; stderr?: Readable; ended: Promise<void> } {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    if (tty) connection.pipe(stdout);
    else docker.modem.demuxStream(connection, stdout, stderr);
    const ended = new Promise<void>((resolve) => {
      const finish = (): void => {
        stdout.end();
        stderr.end();
        resolve();
      };
      connection.once('end', finish);
      connection.once('close', finish);
      connection.once('error', finish);
    });
    return tty ? { stdout, ended } : { stdout, stderr, ended };
  }

  async function startExec(
    id: string,
    cmd: readonly string[],
    tty: boolean,
    stdin: boolean,
  ): Promise<ProcessStreams & { pid(): Promise<number> }> {
    return await api.call('Exec', async (docker) => {
      const exec = await docker
        .getContainer(id)
        .exec({ Cmd: [...cmd], Tty: tty, AttachStdin: stdin, AttachStdout: true, AttachStderr: !tty });
      const connection = await exec.start({ hijack: true, stdin, Tty: tty });
      const { stdout, stderr, ended } = outputs(docker, connection, tty);
      return {
        ...(stdin ? { stdin: connection } : {}),
        stdout,
        stderr,
        ...(tty ? { resize: async (columns: number, rows: number) => void (await exec.resize({ w: columns, h: rows })) } : {}),
        exited: ended.then(async () => (await api.call('ExecInspect', () => exec.inspect())).ExitCode ?? 137),
        close: () => void connection.destroy(),
        pid: async () => (await api.call('ExecInspect', () => exec.inspect(), killMs)).Pid,
      };
    });
  }

  return {
    async execSync(id, cmd, timeoutMs, signal) {
      await running(id, 'ExecSync');
      const process_ = await startExec(id, cmd, false, false);
      const output = Promise.all([collect(process_.stdout), collect(process_.stderr)]);
      output.catch(() => undefined); // When the command is cut off, nobody reads its output any more.
      const { promise: cut, reject } = Promise.withResolvers<never>();
      const abort = (): void => reject(new RuntimeError('Cancelled', 'ExecSync', 'nobody waits for the command any more'));
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted === true) abort();
      const cancel =
        timeoutMs === 0
          ? undefined
          : clock.after(timeoutMs, () =>
              reject(
                new RuntimeError(
                  'DeadlineExceeded',
                  'ExecSync',
                  `command ${JSON.stringify(cmd.join(' '))} timed out after ${timeoutMs / 1000} s`,
                ),
              ),
            );
      try {
        const exitCode = await Promise.race([process_.exited, cut]);
        const [stdout, stderr] = await output;
        return { stdout, stderr, exitCode };
      } catch (error) {
        // Docker has no call that ends an exec.
        try {
          if (error instanceof RuntimeError && ['DeadlineExceeded', 'Cancelled'].includes(error.code)) kill(await process_.pid());
        } catch (failure) {
          log.warn({ err: failure, containerId: id }, 'a command that took too long could not be killed');
        }
        process_.close();
        throw error;
      } finally {
        cancel?.();
        signal?.removeEventListener('abort', abort);
      }
    },

    async exec({ containerId, cmd, tty, stdin, stdout, stderr }) {
      await running(containerId, 'Exec');
      return await streaming.urlFor('exec', {
        kind: 'process',
        stdin,
        stdout,
        stderr,
        tty,
        open: () => startExec(containerId, cmd, tty, stdin),
      });
    },

    async attach({ containerId, tty, stdin, stdout, stderr }) {
      await running(containerId, 'Attach');
      const open = (): Promise<ProcessStreams> =>
        api.call('Attach', async (docker) => {
          const container = docker.getContainer(containerId);
          const connection = (await container.attach({
            stream: true,
            hijack: true,
            stdin,
            stdout: true,
            stderr: true,
          })) as unknown as Duplex;
          const streams = outputs(docker, connection, tty);
          return {
            ...(stdin ? { stdin: connection } : {}),
            stdout: streams.stdout,
            stderr: streams.stderr,
            ...(tty
              ? { resize: async (columns: number, rows: number) => void (await container.resize({ w: columns, h: rows })) }
              : {}),
            exited: streams.ended.then(() => 0),
            close: () => void connection.destroy(),
          };
        });
      return await streaming.urlFor('attach', { kind: 'process', stdin, stdout, stderr, tty, open });
    },

    async portForward(podSandboxId, ports = []) {
      const { State } = await running(podSandboxId, 'PortForward');
      const dial = async (port: number): Promise<Duplex> => {
        // A port on the pod's loopback can be reached only by a process in the pod's network namespace. Busybox' nc ends when the
        // other side ends, and passes a half-close on. (socat can do only one of both: its options exclude each other.)
        const pipe = await openPipe(['nsenter', `--net=/proc/${State.Pid}/ns/net`, 'busybox', 'nc', '127.0.0.1', String(port)]);
        const stderrText = collect(pipe.stderr);
        const stream = pipeDuplex(
          pipe,
          async () =>
            new Error(
              `failed to connect to port ${port} in sandbox ${podSandboxId}: ${(await stderrText).toString('utf8').trim()}`,
            ),
        );
        return stream;
      };
      return await streaming.urlFor('portforward', { kind: 'portforward', ports, dial });
    },
  };
}

async function collect(stream: Readable | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream ?? []) {
    if (bytes < maxOutputBytes) chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  return Buffer.concat(chunks).subarray(0, maxOutputBytes);
}

function kill(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // The process has ended meanwhile.
  }
}
