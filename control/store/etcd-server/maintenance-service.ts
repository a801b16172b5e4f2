/** etcd's Maintenance and Cluster services over the embedded store: one member, whose snapshot is a file as etcd's own. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { toError } from '#api/error-text.ts';
import { inTurns } from '#client/turns.ts';
import { snapshotFileSteps } from '../etcd-snapshot/etcd-snapshot.ts';
import { takeSnapshot } from '../etcd-snapshot/take-snapshot.ts';
import type { EmbeddedStore } from '../transaction.ts';
import type { Answers } from './answers.ts';

/** Which version's API this is. Clients choose by it what they may ask for (upstream: progress of watches from 3.5.13 on). */
const apiVersion = '3.5.13';
const noSpace = 1;
/** What one message of a snapshot carries, as etcd's. */
const blobBytes = 32 << 10;

/** @returns the methods of the Maintenance service, by name */
export function maintenanceService(store: EmbeddedStore, answers: Answers) {
  const isFull = (): boolean => store.problem()?.includes('no space left') === true;
  return {
    Status: async (): Promise<object> => {
      const header = await answers.header();
      const problem = store.problem();
      return {
        header,
        version: apiVersion,
        dbSize: store.sizeBytes(),
        dbSizeInUse: store.sizeBytes(),
        leader: answers.memberId,
        raftIndex: header.revision,
        raftTerm: header.raftTerm,
        raftAppliedIndex: header.revision,
        errors: problem === undefined ? [] : [isFull() ? `memberID:${answers.memberId} alarm:NOSPACE ` : problem],
      };
    },

    /** Alarms come and go with the disk: nobody can set or clear one. */
    Alarm: async (): Promise<object> => ({
      header: await answers.header(),
      alarms: isFull() ? [{ memberID: answers.memberId, alarm: noSpace }] : [],
    }),

    Snapshot: async (stream: ServerWritableStream<object, object>): Promise<void> => {
      stream.once('error', () => undefined);
      try {
        const content = await takeSnapshot(store);
        const header = answers.at(content.revision);
        const file = await inTurns(snapshotFileSteps(content));
        let remaining = file.reduce((bytes, part) => bytes + part.length, 0);
        for (const part of file) {
          for (let at = 0; at < part.length; at += blobBytes) {
            const blob = part.subarray(at, at + blobBytes);
            remaining -= blob.length;
            if (stream.cancelled) return;
            if (!stream.write({ header, remainingBytes: remaining, blob })) await drained(stream);
          }
        }
        stream.end();
      } catch (error) {
        stream.destroy(toError(error));
      }
    },
  };
}

/** @returns the methods of the Cluster service, by name */
export const clusterService = (answers: Answers, clientUrls: readonly string[]) => ({
  MemberList: async (): Promise<object> => ({
    header: await answers.header(),
    members: [{ ID: answers.memberId, name: 'tinkernetes', peerURLs: [], clientURLs: clientUrls }],
  }),
});

function drained(stream: ServerWritableStream<object, object>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('cancelled', done);
      resolve();
    };
    stream.once('drain', done);
    stream.once('cancelled', done);
  });
}
