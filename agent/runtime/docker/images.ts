/** CRI's ImageService on Docker. */
import type Docker from 'dockerode';
import type { AuthConfig, ContainerRuntime, Image } from '../runtime.ts';
import { isNotFound, RuntimeError } from '../runtime.ts';
import type { DockerContext } from './docker-context.ts';

type ImageCalls = Pick<ContainerRuntime, 'listImages' | 'imageStatus' | 'pullImage' | 'removeImage' | 'imageFsInfo'>;

/** Makes the image calls of the Docker runtime. */
export function imageCalls(context: DockerContext): ImageCalls {
  const { api, clock } = context;
  const inspect = (image: string): Promise<Docker.ImageInspectInfo | undefined> =>
    api
      .call('ImageStatus', (docker) => docker.getImage(image).inspect())
      .catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });

  return {
    async listImages() {
      const images = await api.call('ListImages', (docker) => docker.listImages());
      const named = (names: string[] | undefined): string[] => (names ?? []).filter((name) => !name.startsWith('<none>'));
      return images.map(({ Id, RepoTags, RepoDigests, Size }) => ({
        id: Id,
        repoTags: named(RepoTags),
        repoDigests: named(RepoDigests),
        sizeBytes: Size,
        username: '',
        pinned: false,
      }));
    },

    async imageStatus({ image }) {
      const found = await inspect(image);
      return found && toImage(found);
    },

    async pullImage({ image }, auth, _sandboxConfig, signal) {
      await pull(context, image, auth, signal);
      const found = await inspect(image);
      if (found === undefined) throw new RuntimeError('Internal', 'PullImage', `docker pulled ${image}, and does not have it`);
      return found.Id;
    },

    async removeImage({ image }) {
      const found = await inspect(image);
      if (found === undefined) return;
      // CRI removes an image with all its names. Docker refuses to remove an ID that has several names.
      const names = [...(found.RepoTags ?? []), ...(found.RepoDigests ?? [])];
      for (const name of names.length === 0 ? [found.Id] : names) {
        await api
          .call('RemoveImage', (docker) => docker.getImage(name).remove())
          .catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
      }
    },

    async imageFsInfo() {
      const [info, usage] = await Promise.all([
        api.call('ImageFsInfo', (docker) => docker.info() as Promise<{ DockerRootDir: string }>),
        api.call('ImageFsInfo', (docker) => docker.df() as Promise<{ LayersSize: number }>),
      ]);
      // Docker does not count inodes.
      const filesystem = { timestampMs: clock.now(), mountpoint: info.DockerRootDir, usedBytes: usage.LayersSize, inodesUsed: 0 };
      return { imageFilesystems: [filesystem], containerFilesystems: [] };
    },
  };
}

function toImage({ Id, RepoTags, RepoDigests, Size, Config }: Docker.ImageInspectInfo): Image {
  const [user = ''] = (Config?.User ?? '').split(':');
  const numeric = /^\d+$/.test(user);
  return {
    id: Id,
    repoTags: RepoTags ?? [],
    repoDigests: RepoDigests ?? [],
    sizeBytes: Size,
    ...(numeric ? { uid: Number(user) } : {}),
    username: numeric ? '' : user,
    pinned: false,
  };
}

/** Pulls the image unless the node has it. @throws RuntimeError */
export async function ensureImage(context: DockerContext, image: string): Promise<void> {
  try {
    await context.api.call('ImageStatus', (docker) => docker.getImage(image).inspect());
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await pull(context, image);
  }
}

/** Adds the tag `latest` when a reference has none. Without a tag Docker would pull every tag of the repository. */
const tagged = (image: string): string => (/[:@][^/]*$/.test(image) ? image : `${image}:latest`);

async function pull(
  { api, clock, pullProgressMs }: DockerContext,
  image: string,
  auth?: AuthConfig,
  signal?: AbortSignal,
): Promise<void> {
  const stalled = new AbortController();
  let cancel = clock.after(pullProgressMs, () => stalled.abort());
  const abortSignal = AbortSignal.any([stalled.signal, ...(signal === undefined ? [] : [signal])]);
  try {
    await api.call(
      'PullImage',
      async (docker) => {
        const stream = await docker.pull(tagged(image), {
          abortSignal,
          ...(auth === undefined ? {} : { authconfig: dockerAuth(auth) }),
        });
        await new Promise<void>((resolve, reject) => {
          const progress = (): void => {
            cancel();
            cancel = clock.after(pullProgressMs, () => stalled.abort());
          };
          docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)), progress);
        });
      },
      0,
    );
  } catch (error) {
    if (signal?.aborted) throw new RuntimeError('Cancelled', 'PullImage', `pull of ${image} was given up`, { cause: error });
    if (stalled.signal.aborted)
      throw new RuntimeError(
        'DeadlineExceeded',
        'PullImage',
        `pull of ${image} made no progress for ${pullProgressMs / 1000} s`,
        { cause: error },
      );
    throw notFoundInRegistry(error);
  } finally {
    cancel();
  }
}

/**
 * Maps a failed pull to NotFound when the registry does not have the image. Docker reports that only in the message, with status
 * 404 or 500, depending on its version.
 */
function notFoundInRegistry(error: unknown): unknown {
  if (error instanceof RuntimeError && /manifest unknown|not found|repository name not known/i.test(error.message)) {
    return new RuntimeError('NotFound', 'PullImage', error.message, { cause: error });
  }
  return error;
}

function dockerAuth({ username, password, auth, serverAddress, identityToken, registryToken }: AuthConfig): object {
  const [user, ...secret] = Buffer.from(auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  return {
    username: username || user,
    password: password || secret.join(':'),
    serveraddress: serverAddress,
    identitytoken: identityToken,
    registrytoken: registryToken,
  };
}
