/** Builds the lab's images from Debian's packages: pause, busybox and a small web server. */
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Exec } from '#agent/host/exec.ts';
import { type Busybox, findBusybox } from './busybox.ts';
import { buildImage, type ImageFile, type ImageSpec, type OciImage } from './oci-image.ts';

/** The image of pod sandboxes. */
export const pauseImage = 'registry.k8s.io/pause:3.10.1';

/** An image with its name. */
export interface LabImage {
  /** Repository in the registry, for example `library/busybox`. */
  repository: string;
  tags: readonly string[];
  image: OciImage;
}

/** Builds all images. Needs gcc with libc's static library, and busybox-static. @throws ExecError */
export async function buildLabImages(exec: Exec, found?: Busybox): Promise<LabImage[]> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const { path, version } = found ?? (await findBusybox({ exec }));
  const busybox = await busyboxFiles(path, exec);
  const build = async (repository: string, tags: readonly string[], spec: ImageSpec): Promise<LabImage> => ({
    repository,
    tags,
    image: await buildImage(spec, architecture),
  });
  return Promise.all([
    build('pause', ['3.10.1', 'latest'], {
      files: [{ path: 'pause', mode: 0o755, content: await compilePause(exec) }],
      entrypoint: ['/pause'],
    }),
    build('library/busybox', ['latest', 'stable', '1', version], { files: busybox, cmd: ['sh'] }),
    ...['1', '2'].map((version) =>
      build('tinkernetes/web', version === '1' ? ['1', 'latest'] : [version], {
        files: [...busybox, { path: 'www/cgi-bin/index.cgi', mode: 0o755, content: webPage }],
        env: [`WEB_VERSION=${version}`],
        entrypoint: ['sh', '-c', serveUntilTerminated],
        exposedPorts: ['8080/tcp'],
      }),
    ),
  ]);
}

/**
 * The command of the web server. The first process of a container ignores signals without a handler, so httpd alone would be
 * killed only after the whole grace period. The two seconds before the exit let every node remove the endpoint first.
 */
const serveUntilTerminated = `trap 'sleep 2; exit 0' TERM; httpd -f -p 8080 -h /www & wait`;

/** Busybox' httpd runs this script for each request of `/`. It prints which pod answers. */
const webPage = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
printf 'Hello from %s (%s) on %s, version %s\\n' "$HOSTNAME" "\${POD_IP:-?}" "\${NODE_NAME:-?}" "$WEB_VERSION"
`;

async function compilePause(exec: Exec): Promise<Uint8Array> {
  const source = fileURLToPath(new URL('./pause.c', import.meta.url));
  const out = join(tmpdir(), `tinkernetes-pause-${process.pid}`);
  try {
    await exec(['gcc', '-Os', '-static', '-s', '-o', out, source]);
    return await readFile(out);
  } finally {
    await rm(out, { force: true });
  }
}

/** busybox with a link for each of its programs. @throws ExecError */
export async function busyboxFiles(path: string, exec: Exec): Promise<ImageFile[]> {
  const binary = await readFile(path);
  const applets = (await exec([path, '--list'])).stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  return [
    { path: 'bin/busybox', mode: 0o755, content: binary },
    ...applets.map((name): ImageFile => ({ path: `bin/${name}`, linkTo: '/bin/busybox' })),
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' },
    { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
    { path: 'home/' },
    { path: 'root/', mode: 0o700 },
    { path: 'tmp/', mode: 0o1777 },
    { path: 'usr/bin/env', linkTo: '/bin/busybox' },
    { path: 'var/' },
  ];
}
