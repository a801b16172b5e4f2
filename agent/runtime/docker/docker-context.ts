/** What the parts of the Docker runtime share. */
import type { Logger } from 'pino';
import type { Clock } from '#client/clock.ts';
import type { StreamingServer } from '../streaming/streaming-server.ts';
import type { CniOptions } from './cni.ts';
import type { CreateDefaults } from './create-options.ts';
import type { DockerApi } from './docker-api.ts';
import type { LogSupervisor } from './log-supervisor.ts';

/** What the parts of the Docker runtime work with. */
export interface DockerContext {
  api: DockerApi;
  log: Logger;
  clock: Clock;
  cni: CniOptions;
  dataDir: string;
  streaming: StreamingServer;
  logs: LogSupervisor;
  /** Defaults of new containers at this moment. */
  defaults(): CreateDefaults;
  /** Time after which a pull without progress is ended. */
  pullProgressMs: number;
}
