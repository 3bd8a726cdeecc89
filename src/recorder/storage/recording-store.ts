/** Where finished recordings are: in the folder that they were written to, or in a bucket. All readers come through here. */

/** A recording as a file that stays where it is until it is released. Readers open it by path, as often as they like. */
export type FetchedRecording = {
  readonly path: string
  /** Call it once done; a second time does nothing. */
  readonly release: () => void
}

/** `recording` is always the path relative to the recordings folder, `YYYY/MM/DD/<session>.sallyport`: `SessionRow.recording`. */
export type RecordingStore = {
  /**
   * The recording as a file here: the one in the recordings folder if it still is there (also of a live session), or a copy from
   * the bucket. Rejects with a Fault RECORDING_NOT_FOUND (nowhere) or RECORDING_STORE_UNAVAILABLE (the bucket does not answer).
   */
  readonly fetch: (recording: string) => Promise<FetchedRecording>
  /**
   * Removes the recording and all that lies beside it, everywhere. Does nothing if it is gone already. Rejects with a Fault
   * RECORDING_LOCKED, which says until when, if the bucket holds it, and has removed nothing then.
   */
  readonly remove: (recording: string) => Promise<void>
  /** Rejects as `remove` would for what is locked, and changes nothing. */
  readonly mayRemove: (recording: string) => Promise<void>
  /**
   * Sets or lifts the bucket's own legal hold on the object; what is not stored yet gets it when it is. A local folder and a
   * bucket without object lock have no such thing, so there it does nothing: the gateway's own holds (retention) decide. Rejects with a Fault RECORDING_STORE_UNAVAILABLE.
   */
  readonly hold: (recording: string, on: boolean) => Promise<void>
}
