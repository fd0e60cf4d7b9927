/*
 * disk_fault: a disk that fails when a test says so: fdatasync() of what is linked with
 *             --wrap=fdatasync.
 *
 * Trust:   nothing from outside.
 * Owns:    nothing.
 * Threads: one.
 */
#pragma once

/* What fdatasync() fails with; 0: it does what it should. */
extern int disk_sync_error;
