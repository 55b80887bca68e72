// An uploader for Uppy that sends files straight to Dossier's object store and goes on where it was after a broken
// connection: documentUploadBegin with the method RESUMABLE, PUTs as of Google Cloud Storage's resumable uploads,
// documentUploadComplete.
import { BasePlugin } from './uppy/uppy.min.mjs';
import { graphql, refuse, Refused } from './graphql.mjs';

const BEGIN = `mutation ($input: DocumentUploadBeginInput!, $key: String) { documentUploadBegin(input: $input, idempotencyKey: $key) {
  uploadSession { id uploadUrl chunkGranularityBytes } userErrors { message } } }`;
const COMPLETE = `mutation ($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document { id title } userErrors { message } } }`;
const CANCEL = `mutation ($id: ID!) { documentUploadCancel(uploadSessionId: $id) { userErrors { message } } }`;

const longestPause = 10_000;
const patience = 30; // failures in a row

export class Resumable extends BasePlugin {
  type = 'uploader';
  id = 'Resumable';
  #running = new Map(); // what sends a file now, by the file's id

  install() {
    this.uppy.setState({ capabilities: { ...this.uppy.getState().capabilities, resumableUploads: true } });
    this.uppy.addUploader(this.#upload);
    this.uppy.on('upload-pause', this.#pause);
    this.uppy.on('file-removed', this.#remove);
    this.uppy.on('cancel-all', this.#removeAll);
  }

  uninstall() {
    this.uppy.setState({ capabilities: { ...this.uppy.getState().capabilities, resumableUploads: false } });
    this.uppy.removeUploader(this.#upload);
    this.uppy.off('upload-pause', this.#pause);
    this.uppy.off('file-removed', this.#remove);
    this.uppy.off('cancel-all', this.#removeAll);
  }

  #upload = async ids => {
    const files = this.uppy.getFilesByIds(ids).filter(f => !f.error && !f.progress.uploadComplete);
    this.uppy.emit('upload-start', files);
    await Promise.allSettled(files.map(file => this.#send(file)));
  };

  #pause = (file, paused) => this.#running.get(file.id)?.pause(paused);
  #remove = file => this.#running.get(file.id)?.cancel();
  #removeAll = () => this.#running.forEach(sending => sending.cancel());

  async #send(file) {
    const sending = new Sending(file, this.opts.settings(), bytesUploaded =>
      this.uppy.emit('upload-progress', this.uppy.getFile(file.id), { uploadStarted: Date.now(), bytesUploaded, bytesTotal: file.size }));
    this.#running.set(file.id, sending);
    try {
      const document = await sending.run();
      this.uppy.emit('upload-success', this.uppy.getFile(file.id), { status: 200, body: document });
    } catch (error) {
      // What was refused has ended: another try is another upload.
      if (error instanceof Refused && this.uppy.getFile(file.id)) this.uppy.setFileMeta(file.id, { key: crypto.randomUUID() });
      if (!sending.cancelled) this.uppy.emit('upload-error', this.uppy.getFile(file.id), error);
    } finally {
      this.#running.delete(file.id);
    }
  }
}

/** Sending is one file on its way. */
class Sending {
  cancelled = false;
  #paused = null; // resolves when the pause ends
  #resume = null;
  #xhr = null;

  constructor(file, settings, progress) {
    Object.assign(this, { file, settings, progress });
  }

  async run() {
    const { file, settings } = this;
    const input = { customerId: settings.customerId, fileName: file.name, sizeBytes: file.size, contentType: file.type || null, method: 'RESUMABLE' };
    // The key makes a repeated begin give the same session, so a lost answer reserves nothing twice.
    const begin = await this.#insist(() => graphql(settings, BEGIN, { input, key: file.meta.key }));
    this.session = refuse(begin.documentUploadBegin).uploadSession;
    await this.#sendAll();
    const complete = await this.#insist(() => graphql(settings, COMPLETE, { id: this.session.id }));
    return refuse(complete.documentUploadComplete).document;
  }

  /** sendAll sends part after part until the store says that it has everything. */
  async #sendAll() {
    const { file, session } = this;
    const longest = 32 * session.chunkGranularityBytes;
    let stored = 0;
    for (let failures = 0; ; ) {
      await this.#paused;
      if (this.cancelled) throw new Refused('The upload was cancelled.');
      // After a failure the store is asked first: it may have more than was acknowledged.
      const part = failures > 0 ? file.data.slice(0, 0) : file.data.slice(stored, stored + longest);
      const range = failures > 0 ? '*' : `${stored}-${stored + part.size - 1}`;
      const answer = await this.#put(part, `bytes ${range}/${file.size}`, stored);
      if (answer.status === 200 || answer.status === 201) return this.progress(file.size);
      if (answer.status === 308) {
        stored = answer.range ? Number(answer.range.slice(answer.range.lastIndexOf('-') + 1)) + 1 : 0;
        failures = 0;
        this.progress(stored);
        continue;
      }
      if (answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429) {
        throw new Refused(`The object store refused the file: ${answer.text || answer.status}`);
      }
      if (this.#paused) continue;
      if (++failures > patience) throw new Error('The connection broke too often.');
      await new Promise(resolve => setTimeout(resolve, Math.min(longestPause, 250 * 2 ** failures)));
    }
  }

  /** put sends one part. It is not fetch, which tells no progress of what it sends. */
  #put(part, contentRange, offset) {
    return new Promise(resolve => {
      const xhr = (this.#xhr = new XMLHttpRequest());
      xhr.open('PUT', this.session.uploadUrl);
      xhr.setRequestHeader('Content-Range', contentRange);
      xhr.upload.onprogress = e => this.progress(offset + e.loaded);
      xhr.onloadend = () => resolve({ status: xhr.status, range: xhr.getResponseHeader('Range'), text: xhr.responseText.trim() });
      xhr.send(part);
    });
  }

  /** insist repeats an operation that got no answer. */
  async #insist(operation) {
    for (let failures = 1; ; failures++) {
      try {
        return await operation();
      } catch (error) {
        if (!(error instanceof TypeError) || failures > patience || this.cancelled) throw error; // fetch throws a TypeError when the line is down
        await new Promise(resolve => setTimeout(resolve, Math.min(longestPause, 250 * 2 ** failures)));
      }
    }
  }

  pause(paused) {
    if (!paused) {
      this.#resume?.();
      this.#paused = this.#resume = null;
      return;
    }
    this.#paused = new Promise(resolve => { this.#resume = resolve; });
    this.#xhr?.abort();
  }

  /** cancel gives the room that is reserved back at once. */
  cancel() {
    this.cancelled = true;
    this.pause(false);
    this.#xhr?.abort();
    if (this.session) graphql(this.settings, CANCEL, { id: this.session.id }).catch(() => {}); // else it expires
  }
}
