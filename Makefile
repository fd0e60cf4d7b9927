# Two targets: the main job, shown; all tests. Everything else is meson's.
BUILD ?= build

.PHONY: demo check

demo: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	tests/demo/demo.sh $(BUILD)

check: $(BUILD)/build.ninja
	tests/check/all.sh $(BUILD)

# The simulated processor is built for the demo and the tests only; it is off by default.
$(BUILD)/build.ninja:
	tests/install.sh
	meson setup $(BUILD) -Dsimulator=true
