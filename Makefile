# Three targets: the main job, shown; all tests; fuzzing for as long as there is time. Everything else is meson's.
BUILD ?= build
MINUTES ?= 10

.PHONY: demo check fuzz

demo: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	tests/demo/demo.sh $(BUILD)

check: $(BUILD)/build.ninja
	tests/check/all.sh $(BUILD)

# All fuzz targets in turn, MINUTES in total, in a build of their own; then the coverage of every parser.
fuzz:
	tests/fuzz/run.sh $(BUILD)-fuzz $(MINUTES)

# The simulated processor is built for the demo and the tests only; it is off by default.
$(BUILD)/build.ninja:
	tests/install.sh
	meson setup $(BUILD) -Dsimulator=true
